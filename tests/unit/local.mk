# Unit tests, a line each. The source is the program's name with .c; the libraries follow from the directory (see tests/checks.mk).
test_programs =
test_programs += tests/unit/shared/base/test_arena
test_programs += tests/unit/shared/base/test_buf
test_programs += tests/unit/shared/base/test_clock
test_programs += tests/unit/shared/base/test_digest
test_programs += tests/unit/shared/base/test_err
test_programs += tests/unit/shared/base/test_json
test_programs += tests/unit/shared/base/test_list
test_programs += tests/unit/shared/base/test_log
test_programs += tests/unit/shared/base/test_map
test_programs += tests/unit/shared/base/test_mem
test_programs += tests/unit/shared/base/test_random
test_programs += tests/unit/shared/base/test_text
test_programs += tests/unit/shared/loop/test_mailbox
test_programs += tests/unit/shared/loop/test_timer
test_programs += tests/unit/shared/store/test_codec
test_programs += tests/unit/shared/store/test_store
