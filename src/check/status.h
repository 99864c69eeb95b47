/* status: the health file for a person. */
#ifndef QSTICKY_CHECK_STATUS_H
#define QSTICKY_CHECK_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "config/config.h"

/* Shows what the health file, `health` as health_open() returned it, says at the time `now` as aligned
 * lines, or with `json` the file as it is; then it says on stderr why that is not healthy. Returns whether
 * it is, as health_judge(). */
bool status_show(const struct config *config, int health, time_t now, bool json);

#endif
