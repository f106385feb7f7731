/*
 * PVH entry of every test guest: 32-bit protected mode without paging, EBX = hvm_start_info
 * (Xen docs/misc/pvh). A 32-bit guest goes on like that; a 64-bit guest builds an identity map of
 * the low 4 GiB and switches to long mode.
 */
#include "selectors.h"

#define NOTE_PHYS32_ENTRY 18

    .section .note.Xen, "a", @note
    .balign 4
    .long 4
    .long 2f - 1f
    .long NOTE_PHYS32_ENTRY
    .asciz "Xen"
#ifdef __x86_64__
1:  .quad pvh_start
#else
1:  .long pvh_start
#endif
2:

    .text
    .code32
    .globl pvh_start
pvh_start:
    cld
    movl $stack_top, %esp
    movl %ebx, start_info_gpa
    lgdt gdt_descriptor

    /* The identity map, used by long mode and by PAE: 2 MiB pages, user-accessible for the CPL 3 checks. */
    movl $page_directory, %edi
    movl $0x87, %eax
    movl $2048, %ecx
1:  movl %eax, (%edi)
    movl $0, 4(%edi)
    addl $0x200000, %eax
    addl $8, %edi
    loop 1b

#ifdef __x86_64__
    movl $page_directory + 7, %eax
    movl $page_directory_pointers, %edi
    movl $4, %ecx
1:  movl %eax, (%edi)
    addl $0x1000, %eax
    addl $8, %edi
    loop 1b
    movl $page_directory_pointers + 7, page_map_level4

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
    ljmp $SEL_KERNEL_CS, $1f
    .code64
1:
#else
    movl $0x00010011, %eax          /* WP, ET, PE; paging is switched on by the guest later */
    movl %eax, %cr0
    ljmp $SEL_KERNEL_CS, $1f
1:
#endif
    movl $SEL_KERNEL_DS, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %fs
    movl %eax, %gs
    movl %eax, %ss
    call runtime_main
1:  hlt
    jmp 1b

/* The two hypercall instructions; runtime code picks one by CPUID vendor (hypercall_entry). */
    .globl hypercall_vmcall, hypercall_vmmcall
hypercall_vmcall:
    vmcall
    ret
hypercall_vmmcall:
    vmmcall
    ret

/*
 * long user_hypercall(unsigned long nr, unsigned long arg1, unsigned long arg2): one hypercall from CPL 3.
 * Goes to user mode by IRET with interrupts off and comes back through the DPL 3 gate VECTOR_USER_RETURN.
 */
    .globl user_hypercall, user_return
user_hypercall:
#ifdef __x86_64__
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    movq %rsp, user_saved_sp
    movq %rdi, %rax
    movq %rsi, %rdi
    movq %rdx, %rsi
    pushq $SEL_USER_DS
    pushq $user_stack_top
    pushq $2
    pushq $SEL_USER_CS
    pushq $user_code
    iretq
#else
    push %ebx
    push %ebp
    push %esi
    push %edi
    movl 20(%esp), %eax
    movl 24(%esp), %ebx
    movl 28(%esp), %ecx
    movl %esp, user_saved_sp
    pushl $SEL_USER_DS
    pushl $user_stack_top
    pushl $2
    pushl $SEL_USER_CS
    pushl $user_code
    iret
#endif

user_code:
#ifdef __x86_64__
    call *hypercall_entry
#else
    /* IRET nulled the supervisor data segments. */
    movl $SEL_USER_DS, %edx
    movl %edx, %ds
    movl %edx, %es
    call *hypercall_entry
#endif
    int $VECTOR_USER_RETURN

user_return:
#ifdef __x86_64__
    movq user_saved_sp, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
#else
    movl $SEL_KERNEL_DS, %edx
    movl %edx, %ds
    movl %edx, %es
    movl %edx, %fs
    movl %edx, %gs
    movl user_saved_sp, %esp
    pop %edi
    pop %esi
    pop %ebp
    pop %ebx
#endif
    ret

/* void store(volatile uint32_t *address, uint32_t value): cpu.c takes an exception at store_here to store_end. */
    .globl store, store_here, store_end
store:
#ifdef __x86_64__
store_here:
    movl %esi, (%rdi)
#else
    movl 4(%esp), %eax
    movl 8(%esp), %edx
store_here:
    movl %edx, (%eax)
#endif
store_end:
    ret

/* void wrmsr_or_trap(uint32_t msr, uint32_t low, uint32_t high): likewise, at wrmsr_here to wrmsr_end. */
    .globl wrmsr_or_trap, wrmsr_here, wrmsr_end
wrmsr_or_trap:
#ifdef __x86_64__
    movl %edi, %ecx
    movl %esi, %eax
#else
    movl 4(%esp), %ecx
    movl 8(%esp), %eax
    movl 12(%esp), %edx
#endif
wrmsr_here:
    wrmsr
wrmsr_end:
    ret

/* uint32_t rdmsr_or_trap(uint32_t msr): the low half; likewise, at rdmsr_here to rdmsr_end. */
    .globl rdmsr_or_trap, rdmsr_here, rdmsr_end
rdmsr_or_trap:
#ifdef __x86_64__
    movl %edi, %ecx
#else
    movl 4(%esp), %ecx
#endif
rdmsr_here:
    rdmsr
rdmsr_end:
    ret

/* 256 entry stubs of 16 bytes each: error code (or 0), vector, common path. */
    .globl vector_stubs
    .balign 16
vector_stubs:
vector = 0
    .rept 256
    .balign 16
    .if (vector != 8) && (vector != 17) && (vector != 21) && ((vector < 10) || (vector > 14))
    push $0
    .endif
    push $vector
    jmp vector_common
vector = vector + 1
    .endr

vector_common:
#ifdef __x86_64__
    push %rax
    push %rcx
    push %rdx
    push %rsi
    push %rdi
    push %r8
    push %r9
    push %r10
    push %r11
    movq 72(%rsp), %rdi             /* vector */
    movq 80(%rsp), %rsi             /* error code */
    leaq 88(%rsp), %rdx             /* where RIP is */
    push %rbp
    movq %rsp, %rbp
    andq $-16, %rsp
    call vector_arrived
    movq %rbp, %rsp
    pop %rbp
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rdi
    pop %rsi
    pop %rdx
    pop %rcx
    pop %rax
    addq $16, %rsp
    iretq
#else
    pushal
    leal 40(%esp), %eax             /* where EIP is */
    pushl %eax
    pushl 40(%esp)                  /* error code */
    pushl 40(%esp)                  /* vector */
    call vector_arrived
    addl $12, %esp
    popal
    addl $8, %esp
    iret
#endif

    .data
    .balign 16
    .globl gdt
gdt:
    .quad 0
#ifdef __x86_64__
    .quad 0x00af9b000000ffff        /* kernel code, L */
#else
    .quad 0x00cf9b000000ffff
#endif
    .quad 0x00cf93000000ffff
#ifdef __x86_64__
    .quad 0x00affb000000ffff        /* user code, L */
#else
    .quad 0x00cffb000000ffff
#endif
    .quad 0x00cff3000000ffff
    .quad 0, 0                      /* TSS, filled in by cpu_init */
gdt_end:
gdt_descriptor:
    .word gdt_end - gdt - 1
    .long gdt
    .long 0

    .bss
    .balign 4096
    .globl page_directory, page_directory_pointers, page_map_level4
page_map_level4: .skip 4096
page_directory_pointers: .skip 4096
page_directory: .skip 4 * 4096
    .globl stack_top, trap_stack_top
stack: .skip 16 * 4096
stack_top:
trap_stack: .skip 4096
trap_stack_top:
user_stack: .skip 4096
user_stack_top:
user_saved_sp: .skip 8
    .globl start_info_gpa
start_info_gpa: .skip 4
    .section .note.GNU-stack, "", @progbits
