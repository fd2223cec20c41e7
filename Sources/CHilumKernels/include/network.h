#ifndef HILUM_NETWORK_H
#define HILUM_NETWORK_H
#include <stdint.h>
#include <stddef.h>
#endif
