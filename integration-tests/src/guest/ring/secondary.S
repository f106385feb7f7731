/*
 * How the second vCPU starts: INIT and SIPI take it to a copy of the trampoline in low memory, in real mode; from there it
 * goes to long mode in one step, on the page tables and descriptors of the first.
 */
#include "../runtime/selectors.h"

    .text
    .globl trampoline, trampoline_gdt, trampoline_end
    .code16
trampoline:
    cli
    movw %cs, %ax
    movw %ax, %ds
    lgdtl trampoline_gdt - trampoline
    movl $0x20, %eax                /* CR4.PAE */
    movl %eax, %cr4
    movl $page_map_level4, %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx          /* EFER.LME */
    rdmsr
    orl $0x100, %eax
    wrmsr
    movl $0x80010011, %eax          /* PG, WP, ET, PE */
    movl %eax, %cr0
    ljmpl $SEL_KERNEL_CS, $1f
trampoline_gdt:
    .skip 6                         /* what SGDT stores, cut to what LGDT takes here */
trampoline_end:

    .code64
1:  movl $SEL_KERNEL_DS, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %fs
    movl %eax, %gs
    movl %eax, %ss
    movq $secondary_stack_top, %rsp
    call secondary_main
2:  hlt
    jmp 2b

    .bss
    .balign 4096
    .globl secondary_stack, secondary_stack_top
secondary_stack: .skip 4 * 4096
secondary_stack_top:
    .section .note.GNU-stack, "", @progbits
