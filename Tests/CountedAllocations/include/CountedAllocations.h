#ifndef COUNTED_ALLOCATIONS_H
#define COUNTED_ALLOCATIONS_H

/// How often this process has asked for memory: malloc(3), calloc(3) and realloc(3) of all its threads.
unsigned long counted_allocations(void);

#endif
