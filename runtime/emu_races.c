/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Which accesses of lanes to the memory of their task nothing puts in order.
 *
 * A lane counts the barriers that it came to: its time. What it did at a time
 * is in order before what another lane does if the other has waited, at some
 * barrier, for all lanes of the first one's group of 32 at that time or later,
 * or for one that has. For every 2 bytes the last writer is kept, and the last
 * readers by groups, with their times (after Flanagan and Freund, FastTrack,
 * PLDI 2009). What is forgotten that way is a race that may be missed, never
 * one that is none.
 */
#include "emu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { UNIT = 2, SEVERAL = 0xffff /* lanes of a group */ };

typedef struct seen {
  uint32_t time;
  uint16_t lane;
  uint8_t mask; /* of bytes of the unit */
} seen;

typedef struct region {
  const char *name;
  uintptr_t base;
  size_t bytes;
  seen *units; /* the writer, then a reader of each group; times go on from task
                  to task, so that nothing needs to be cleared */
} region;

struct rwkvi_emu_watch {
  size_t groups;
  uint32_t last; /* the latest time of any lane so far */
  region regions[2];
};

rwkvi_emu_watch *rwkvi_emu_watch_create(int32_t lanes, int64_t shared,
                                        int64_t scratch) {
  rwkvi_emu_watch *w = calloc(1, sizeof(*w));
  if (!w) {
    return NULL;
  }
  w->groups = ((size_t)lanes + RWKVI_EMU_GROUP - 1) / RWKVI_EMU_GROUP;
  w->regions[0] = (region){.name = "shared", .bytes = (size_t)shared};
  w->regions[1] = (region){.name = "scratch", .bytes = (size_t)scratch};
  for (int i = 0; i < 2; ++i) {
    region *r = &w->regions[i];
    r->units = calloc((r->bytes / UNIT + 1) * (1 + w->groups), sizeof(seen));
    if (!r->units) {
      rwkvi_emu_watch_destroy(w);
      return NULL;
    }
  }
  return w;
}

void rwkvi_emu_watch_destroy(rwkvi_emu_watch *w) {
  if (w) {
    free(w->regions[0].units);
    free(w->regions[1].units);
    free(w);
  }
}

void rwkvi_emu_watch_task(rwkvi_emu_watch *w, const void *shared,
                          const void *scratch) {
  w->regions[0].base = (uintptr_t)shared;
  w->regions[1].base = (uintptr_t)scratch;
  ++w->last;
}

void rwkvi_emu_clock_begin(const rwkvi_emu_watch *w, rwkvi_emu_clock *clock) {
  clock->time = w->last + 1;
  for (size_t i = 0; i < w->groups; ++i) {
    clock->waited[i] = w->last;
  }
}

void rwkvi_emu_clock_arrive(rwkvi_emu_watch *w, rwkvi_emu_clock *clock,
                            int32_t lane, rwkvi_emu_clock *barrier) {
  size_t own = (size_t)lane / RWKVI_EMU_GROUP;
  rwkvi_emu_clock_wait(w, barrier, clock);
  if (barrier->waited[own] < clock->time) {
    barrier->waited[own] = clock->time;
  }
  ++clock->time;
  w->last = w->last < clock->time ? clock->time : w->last;
}

void rwkvi_emu_clock_wait(const rwkvi_emu_watch *w, rwkvi_emu_clock *clock,
                          const rwkvi_emu_clock *barrier) {
  for (size_t i = 0; i < w->groups; ++i) {
    if (clock->waited[i] < barrier->waited[i]) {
      clock->waited[i] = barrier->waited[i];
    }
  }
}

/* ---- accesses ------------------------------------------------------------ */

/* Whether the other access came before all that this lane does now. */
static bool in_order(const seen *other, size_t group, int32_t lane,
                     uint8_t mask, const rwkvi_emu_clock *clock) {
  return (other->mask & mask) == 0 || other->lane == lane ||
         other->time <= clock->waited[group];
}

static bool report(const region *r, uintptr_t offset, int32_t lane, bool writes,
                   const seen *other, size_t group, bool wrote, char *message,
                   size_t size) {
  char who[64];
  if (other->lane == SEVERAL) {
    snprintf(who, sizeof(who), "lanes among %zu..%zu", group * RWKVI_EMU_GROUP,
             (group + 1) * RWKVI_EMU_GROUP - 1);
  } else {
    snprintf(who, sizeof(who), "lane %d", other->lane);
  }
  snprintf(message, size,
           "lane %d %s byte %zu of the %s memory, which %s %s: no barrier is "
           "between them",
           lane, writes ? "writes" : "reads", (size_t)offset, r->name, who,
           wrote ? "wrote" : "read");
  return false;
}

static bool check_unit(const rwkvi_emu_watch *w, const region *r,
                       uintptr_t offset, uint8_t mask, bool writes,
                       int32_t lane, const rwkvi_emu_clock *clock,
                       char *message, size_t size) {
  seen *writer = r->units + offset / UNIT * (1 + w->groups),
       *readers = writer + 1;
  size_t other = writer->lane / RWKVI_EMU_GROUP,
         own = (size_t)lane / RWKVI_EMU_GROUP;
  if (!in_order(writer, other, lane, mask, clock)) {
    return report(r, offset, lane, writes, writer, other, true, message, size);
  }
  if (!writes) {
    seen *mine = &readers[own];
    bool same = mine->time == clock->time && mine->mask != 0;
    mine->lane = same && mine->lane != lane ? SEVERAL : (uint16_t)lane;
    mine->mask = same ? mine->mask | mask : mask;
    mine->time = clock->time;
    return true;
  }
  for (size_t i = 0; i < w->groups; ++i) {
    if (!in_order(&readers[i], i, lane, mask, clock)) {
      return report(r, offset, lane, writes, &readers[i], i, false, message,
                    size);
    }
  }
  *writer = (seen){clock->time, (uint16_t)lane, mask};
  return true;
}

bool rwkvi_emu_watch_access(const rwkvi_emu_watch *w, const void *memory,
                            int32_t bytes, bool writes, int32_t lane,
                            const rwkvi_emu_clock *clock, char *message,
                            size_t size) {
  for (int i = 0; i < 2; ++i) {
    const region *r = &w->regions[i];
    uintptr_t at = (uintptr_t)memory - r->base, end = at + (uintptr_t)bytes;
    if (at >= r->bytes) {
      continue;
    }
    end = end < r->bytes ? end : r->bytes;
    while (at < end) {
      uintptr_t next = (at / UNIT + 1) * UNIT;
      next = next < end ? next : end;
      uint8_t mask = (uint8_t)(((1u << (next - at)) - 1) << at % UNIT);
      if (!check_unit(w, r, at, mask, writes, lane, clock, message, size)) {
        return false;
      }
      at = next;
    }
    return true;
  }
  return true;
}
