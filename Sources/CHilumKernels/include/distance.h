#ifndef HILUM_DISTANCE_H
#define HILUM_DISTANCE_H
#include <stdint.h>
#include <stddef.h>
#endif
