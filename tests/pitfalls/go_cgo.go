// Shows Go together with C: a C function that makes a call, and one that C calls back.
//# build go_cgo: env GO111MODULE=off CGO_ENABLED=1 GOFLAGS= GOPROXY=off GOCACHE=$TMP/gocache HOME=$TMP go build -o $OUT $SRC
//# must: acct clone3 exit_group futex swapoff swapon
//# not: reboot sethostname
package main

/*
static long call(long number) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "0"(number), "D"(0L) : "rcx", "r11", "memory");
    return result;
}
static void twice(void) { call(167); call(168); }
__attribute__((used)) static void dead(void) { call(169); }
*/
import "C"

import "syscall"

func main() {
	C.twice()
	syscall.Acct("")
}
