#ifndef HILUM_CPNG_H
#define HILUM_CPNG_H
#endif
