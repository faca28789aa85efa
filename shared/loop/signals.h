/* signals.h - signals as events of a loop */
#ifndef SHARED_LOOP_SIGNALS_H
#define SHARED_LOOP_SIGNALS_H

/* caught(number) runs on the calling worker whenever the signal comes. At most 8 signals in a process; they end with the worker. */
void signal_watch(int number, void (*caught)(int number));

#endif
