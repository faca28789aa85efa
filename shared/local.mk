# What both programs stand on: one line for each file with its header.
noinst_LIBRARIES += shared/libshared.a
shared_libshared_a_SOURCES =
shared_libshared_a_SOURCES += shared/base/arena.c shared/base/arena.h
shared_libshared_a_SOURCES += shared/base/buf.c shared/base/buf.h
shared_libshared_a_SOURCES += shared/base/clock.c shared/base/clock.h
shared_libshared_a_SOURCES += shared/base/digest.c shared/base/digest.h
shared_libshared_a_SOURCES += shared/base/err.c shared/base/err.h
shared_libshared_a_SOURCES += shared/base/list.c shared/base/list.h
shared_libshared_a_SOURCES += shared/base/log.c shared/base/log.h
shared_libshared_a_SOURCES += shared/base/map.c shared/base/map.h
shared_libshared_a_SOURCES += shared/base/mem.c shared/base/mem.h
shared_libshared_a_SOURCES += shared/base/panic.c shared/base/panic.h
shared_libshared_a_SOURCES += shared/base/random.c shared/base/random.h
shared_libshared_a_SOURCES += shared/base/text.c shared/base/text.h
