// Shows Go's own ways to make a call: a constant number through the syscall package, with three and six parameters,
// directly and through a function value.
//# build go_raw: env GO111MODULE=off CGO_ENABLED=0 GOFLAGS= GOPROXY=off GOCACHE=$TMP/gocache HOME=$TMP go build -o $OUT $SRC
//# build go_raw_stripped: env GO111MODULE=off CGO_ENABLED=0 GOFLAGS= GOPROXY=off GOCACHE=$TMP/gocache HOME=$TMP go build -ldflags '-s -w' -o $OUT $SRC
//# build go_raw_pie: env GO111MODULE=off CGO_ENABLED=0 GOFLAGS= GOPROXY=off GOCACHE=$TMP/gocache HOME=$TMP go build -buildmode=pie -o $OUT $SRC
//# must: acct exit_group swapoff swapon vhangup futex clone mmap
//# not: reboot sethostname setdomainname mount pivot_root
package main

import (
	"os"
	"syscall"
)

//go:noinline
func wrapped(number uintptr) syscall.Errno {
	_, _, errno := syscall.RawSyscall(number, 0, 0, 0)
	return errno
}

//go:noinline
func dead() { syscall.RawSyscall(syscall.SYS_REBOOT, 0, 0, 0) }

type action interface{ act() }
type hangs struct{}

func (hangs) act() { syscall.Syscall(syscall.SYS_VHANGUP, 0, 0, 0) }

func main() {
	syscall.RawSyscall6(syscall.SYS_SWAPON, 0, 0, 0, 0, 0, 0)
	function := wrapped
	if len(os.Args) > 5 {
		function = func(number uintptr) syscall.Errno { return wrapped(number) }
	}
	function(syscall.SYS_SWAPOFF)
	syscall.Acct("")
	for _, each := range []action{hangs{}} {
		each.act()
	}
	if len(os.Args) > 1000000 {
		os.Exit(1)
	}
}
