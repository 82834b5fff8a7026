/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Switching between fibers. A barrier of 256 lanes is 256 switches, and those
 * of ucontext.h ask the kernel about signals every time; here a switch is what
 * the calling convention has to have kept, a dozen instructions. */
#include "emu.h"

#include <string.h>

#if defined(__x86_64__)

/* rbp, rbx, r12 .. r15; the control words of the floating-point units are never
 * changed. */
__asm__(".text\n"
        ".globl rwkvi_emu_switch\n"
        ".hidden rwkvi_emu_switch\n"
        ".type rwkvi_emu_switch, @function\n"
        "rwkvi_emu_switch:\n"
        "  pushq %rbp\n"
        "  pushq %rbx\n"
        "  pushq %r12\n"
        "  pushq %r13\n"
        "  pushq %r14\n"
        "  pushq %r15\n"
        "  movq %rsp, (%rdi)\n"
        "  movq %rsi, %rsp\n"
        "  popq %r15\n"
        "  popq %r14\n"
        "  popq %r13\n"
        "  popq %r12\n"
        "  popq %rbx\n"
        "  popq %rbp\n"
        "  ret\n"
        ".size rwkvi_emu_switch, . - rwkvi_emu_switch\n"
        ".globl rwkvi_emu_begin\n"
        ".hidden rwkvi_emu_begin\n"
        ".type rwkvi_emu_begin, @function\n"
        "rwkvi_emu_begin:\n"
        "  movq %rbx, %rdi\n"
        "  callq *%rbp\n"
        "  ud2\n"
        ".size rwkvi_emu_begin, . - rwkvi_emu_begin\n");

enum { SAVED = 7, FUNCTION = 5, ARGUMENT = 4, RETURN = 6 }; /* words */

#elif defined(__aarch64__)

/* x19 .. x30, d8 .. d15. */
__asm__(".text\n"
        ".globl rwkvi_emu_switch\n"
        ".hidden rwkvi_emu_switch\n"
        ".type rwkvi_emu_switch, %function\n"
        "rwkvi_emu_switch:\n"
        "  sub sp, sp, #160\n"
        "  stp x19, x20, [sp]\n"
        "  stp x21, x22, [sp, #16]\n"
        "  stp x23, x24, [sp, #32]\n"
        "  stp x25, x26, [sp, #48]\n"
        "  stp x27, x28, [sp, #64]\n"
        "  stp x29, x30, [sp, #80]\n"
        "  stp d8, d9, [sp, #96]\n"
        "  stp d10, d11, [sp, #112]\n"
        "  stp d12, d13, [sp, #128]\n"
        "  stp d14, d15, [sp, #144]\n"
        "  mov x9, sp\n"
        "  str x9, [x0]\n"
        "  mov sp, x1\n"
        "  ldp x19, x20, [sp]\n"
        "  ldp x21, x22, [sp, #16]\n"
        "  ldp x23, x24, [sp, #32]\n"
        "  ldp x25, x26, [sp, #48]\n"
        "  ldp x27, x28, [sp, #64]\n"
        "  ldp x29, x30, [sp, #80]\n"
        "  ldp d8, d9, [sp, #96]\n"
        "  ldp d10, d11, [sp, #112]\n"
        "  ldp d12, d13, [sp, #128]\n"
        "  ldp d14, d15, [sp, #144]\n"
        "  add sp, sp, #160\n"
        "  ret\n"
        ".size rwkvi_emu_switch, . - rwkvi_emu_switch\n"
        ".globl rwkvi_emu_begin\n"
        ".hidden rwkvi_emu_begin\n"
        ".type rwkvi_emu_begin, %function\n"
        "rwkvi_emu_begin:\n"
        "  mov x0, x20\n"
        "  blr x19\n"
        "  brk #1\n"
        ".size rwkvi_emu_begin, . - rwkvi_emu_begin\n");

enum { SAVED = 20, FUNCTION = 0, ARGUMENT = 1, RETURN = 11 }; /* words */

#else
#error "expected x86-64 or aarch64"
#endif

void rwkvi_emu_begin(void);

/* As if the fiber had been stopped where it begins. */
void *rwkvi_emu_fiber(void *top, void (*function)(void *argument),
                      void *argument) {
  uintptr_t *frame = (uintptr_t *)((uintptr_t)top & ~(uintptr_t)15) - SAVED;
  memset(frame, 0, SAVED * sizeof(*frame));
  frame[FUNCTION] = (uintptr_t)function;
  frame[ARGUMENT] = (uintptr_t)argument;
  frame[RETURN] = (uintptr_t)rwkvi_emu_begin;
  return frame;
}
