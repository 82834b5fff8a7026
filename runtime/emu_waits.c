/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What lanes wait for: each other, or a round of a meeting. Who waits for what
 * never comes is told apart from who is late: when no lane can go on, that is
 * the error. */
#include "emu_task.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- saying what is wrong ------------------------------------------------ */

void rwkvi_emu_fail(block *b, const char *format, ...) {
  if (b->failed) {
    return;
  }
  int n = snprintf(b->message, sizeof(b->message),
                   "kernel \"%.200s\": task %lld: ", b->grid->name,
                   (long long)b->task);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(b->message + n, sizeof(b->message) - (size_t)n, format, arguments);
  va_end(arguments);
  b->failed = true;
}

/* Of an address in the shared memory. */
static int32_t offset_of(const block *b, const void *address) {
  return (int32_t)((const unsigned char *)address - b->shared);
}

static void describe(const fiber *f, char *text, size_t size) {
  static const char *const kinds[] = {"a barrier", "a shuffle",
                                      "a matrix instruction",
                                      "a load of blocks", "an arrival"};
  const block *b = f->block;
  if (f->state == AT_BARRIER) {
    snprintf(text, size, "wait at the barrier, where %d of %d came",
             b->at_barrier, b->grid->lanes);
  } else if (f->state == AT_MEETING) {
    const meeting *m = &b->meetings[f->id];
    snprintf(text, size,
             "wait for round %d of the meeting at byte %d, to which %d of %d "
             "warps came",
             m->round, offset_of(b, m->place), m->arrived, m->count);
  } else if (f->state == IN_GROUP) {
    int32_t bits = __builtin_ctz((unsigned)f->id);
    const group *m = &b->groups[bits][f->lane.lane >> bits];
    snprintf(text, size, "wait in %s of %d lanes, where %d came",
             kinds[m->kind], f->id, m->arrived);
  } else {
    snprintf(text, size, f->state == DONE ? "have ended" : "run");
  }
}

void rwkvi_emu_report_stuck(block *b) {
  char all[MESSAGE - 300] = "", one[128], next[128];
  int32_t lanes = b->grid->lanes;
  size_t at = 0;
  for (int32_t first = 0, last; first < lanes; first = last + 1) {
    describe(&b->fibers[first], one, sizeof(one));
    for (last = first; last + 1 < lanes; ++last) {
      describe(&b->fibers[last + 1], next, sizeof(next));
      if (strcmp(one, next) != 0) {
        break;
      }
    }
    int n = snprintf(all + at, sizeof(all) - at, "%slanes %d..%d %s",
                     first ? ", " : "", first, last, one);
    if (at + (size_t)n >= sizeof(all)) {
      break;
    }
    at += (size_t)n;
  }
  rwkvi_emu_fail(b, "no lane can go on: %s", all);
}

/* ---- waiting ------------------------------------------------------------- */

void rwkvi_emu_stop(fiber *f) { rwkvi_emu_switch(&f->place, f->block->place); }

static void wait_as(fiber *f, state state, int32_t id) {
  f->state = state;
  f->id = id;
  rwkvi_emu_stop(f);
}

void rwkvi_emu_give_up(fiber *f) { wait_as(f, AT_BARRIER, 0); /* for good */ }

/* Lanes that wait as this one did go on, and know what `clock` knows. */
static void wake(block *b, state state, int32_t id,
                 const rwkvi_emu_clock *clock) {
  for (int32_t i = 0; i < b->grid->lanes; ++i) {
    fiber *f = &b->fibers[i];
    if (f->state == state && f->id == id) {
      f->state = READY;
      rwkvi_emu_clock_wait(b->watch, &f->clock, clock);
    }
  }
}

void rwkvi_emu_barrier(rwkv_emu_lane *self) {
  fiber *f = (fiber *)self;
  block *b = f->block;
  rwkvi_emu_clock_arrive(b->watch, &f->clock, self->lane, &b->barrier);
  if (++b->at_barrier < b->grid->lanes) {
    wait_as(f, AT_BARRIER, 0);
    return;
  }
  rwkvi_emu_clock_wait(b->watch, &f->clock, &b->barrier);
  wake(b, AT_BARRIER, 0, &b->barrier);
  memset(&b->barrier, 0, sizeof(b->barrier));
  b->at_barrier = 0;
}

/* ---- what lanes of a warp do together ------------------------------------ */

bool rwkvi_emu_meet(fiber *f, group what, int32_t size) {
  block *b = f->block;
  int32_t number = f->lane.lane;
  int32_t bits = size > 0 ? __builtin_ctz((unsigned)size) : 0;
  if (size <= 0 || size != 1 << bits || b->grid->lanes % size != 0) {
    rwkvi_emu_fail(
        b,
        "lane %d: expected groups of lanes that %d can be divided into, "
        "found %d",
        number, b->grid->lanes, size);
    rwkvi_emu_give_up(f);
  }
  group *m = &b->groups[bits][number >> bits];
  if (m->arrived > 0 &&
      (m->kind != what.kind || m->what != what.what || m->mask != what.mask)) {
    char text[128] = "";
    for (int32_t i = number >> bits << bits; i < b->grid->lanes; ++i) {
      if (b->fibers[i].state == IN_GROUP && b->fibers[i].id == size) {
        describe(&b->fibers[i], text, sizeof(text));
        break;
      }
    }
    rwkvi_emu_fail(
        b,
        "lane %d comes to another operation than lanes of its warp, which "
        "%s",
        number, text);
    rwkvi_emu_give_up(f);
  }
  what.arrived = m->arrived + 1;
  *m = what;
  if (m->arrived < size) {
    wait_as(f, IN_GROUP, size);
    return false;
  }
  m->arrived = 0;
  for (int32_t i = number >> bits << bits; i < ((number >> bits) + 1) << bits;
       ++i) {
    b->fibers[i].state = READY;
  }
  return true;
}

void rwkvi_emu_warp_barrier(rwkv_emu_lane *self, int32_t warp) {
  fiber *f = (fiber *)self;
  if (!rwkvi_emu_meet(f, (group){.kind = WARP_BARRIER}, warp)) {
    return;
  }
  rwkvi_emu_watch *watch = f->block->watch;
  rwkvi_emu_clock all = {0};
  fiber *first = f - self->lane % warp;
  for (int32_t i = 0; i < warp; ++i) {
    rwkvi_emu_clock_arrive(watch, &first[i].clock, first[i].lane.lane, &all);
  }
  for (int32_t i = 0; i < warp; ++i) {
    rwkvi_emu_clock_wait(watch, &first[i].clock, &all);
  }
}

/* ---- meetings ------------------------------------------------------------ */

static meeting *find_meeting(fiber *f, const void *place, const char *who) {
  block *b = f->block;
  for (int32_t i = 0; i < PLACES; ++i) {
    if (b->meetings[i].place == place) {
      return &b->meetings[i];
    }
  }
  rwkvi_emu_fail(b,
                 "lane %d %s byte %d of the shared memory: there is no meeting",
                 f->lane.lane, who, offset_of(b, place));
  rwkvi_emu_give_up(f);
  return NULL;
}

void rwkvi_emu_begin_meeting(rwkv_emu_lane *self, void *place, int32_t count) {
  enum { BYTES = 8 };
  fiber *f = (fiber *)self;
  block *b = f->block;
  meeting *one = NULL;
  int64_t offset = offset_of(b, place);
  if (count < 1 || count > b->grid->lanes || offset < 0 ||
      offset % BYTES != 0 || offset + BYTES > b->grid->shared) {
    rwkvi_emu_fail(
        b,
        "lane %d: expected %d bytes of the shared memory for a meeting of 1 "
        "to %d warps, found byte %d for %d",
        self->lane, BYTES, b->grid->lanes, (int)offset, count);
    rwkvi_emu_give_up(f);
  }
  for (int32_t i = 0; i < PLACES; ++i) {
    meeting *m = &b->meetings[i];
    if (m->place == place) {
      rwkvi_emu_fail(b, "lane %d: the meeting at byte %d has begun already",
                     self->lane, (int)offset);
      rwkvi_emu_give_up(f);
    }
    one = one || m->place ? one : m;
  }
  if (!one) {
    rwkvi_emu_fail(b, "lane %d: expected at most %d meetings", self->lane,
                   PLACES);
    rwkvi_emu_give_up(f);
  }
  *one = (meeting){.place = place, .count = count};
}

void rwkvi_emu_end_meeting(rwkv_emu_lane *self, void *place) {
  fiber *f = (fiber *)self;
  meeting *m = find_meeting(f, place, "ends");
  if (m->arrived > 0) {
    rwkvi_emu_fail(f->block,
                   "lane %d ends the meeting at byte %d, to which %d of %d "
                   "warps came",
                   self->lane, offset_of(f->block, place), m->arrived,
                   m->count);
    rwkvi_emu_give_up(f);
  }
  m->place = NULL;
}

void rwkvi_emu_arrive(rwkv_emu_lane *self, void *place, int32_t warp) {
  fiber *f = (fiber *)self;
  block *b = f->block;
  meeting *m = find_meeting(f, place, "comes to");
  if (!rwkvi_emu_meet(f, (group){.kind = ARRIVAL, .what = place}, warp)) {
    return;
  }
  fiber *first = f - self->lane % warp;
  for (int32_t i = 0; i < warp; ++i) {
    rwkvi_emu_clock_arrive(b->watch, &first[i].clock, first[i].lane.lane,
                           &m->clock);
  }
  if (++m->arrived == m->count) {
    m->arrived = 0;
    ++m->round;
    m->last = m->clock;
    memset(&m->clock, 0, sizeof(m->clock));
    wake(b, AT_MEETING, (int32_t)(m - b->meetings), &m->last);
  }
}

/* A machine tells rounds apart by one bit: who waits for another one than the
 * one that is not over, or the one before, may wait for good, or not at all. */
void rwkvi_emu_await(rwkv_emu_lane *self, void *place, int32_t round) {
  fiber *f = (fiber *)self;
  block *b = f->block;
  meeting *m = find_meeting(f, place, "waits at");
  if (m->round == round) {
    wait_as(f, AT_MEETING, (int32_t)(m - b->meetings));
  } else if (m->round == round + 1) {
    rwkvi_emu_clock_wait(b->watch, &f->clock, &m->last);
  } else {
    rwkvi_emu_fail(
        b,
        "lane %d waits for round %d of the meeting at byte %d: expected round "
        "%d or the one before",
        self->lane, round, offset_of(b, place), m->round);
    rwkvi_emu_give_up(f);
  }
}
