// Shows what Go's runtime brings when the program does nothing.
//# build go_empty: env GO111MODULE=off CGO_ENABLED=0 GOFLAGS= GOPROXY=off GOCACHE=$TMP/gocache HOME=$TMP go build -o $OUT $SRC
//# must: exit_group futex clone mmap munmap rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack arch_prctl sched_getaffinity gettid tgkill nanosleep madvise openat read close
//# not: reboot sethostname mount socket connect execve setuid unlink unlinkat rename chmod ptrace
package main

func main() {}
