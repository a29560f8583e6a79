// Shows a Go program: no libc, threads made by its own runtime, signals of its own; it writes and reads a file.
//# build hello-go: env GO111MODULE=off CGO_ENABLED=0 GOFLAGS= GOPROXY=off GOCACHE=$TMP/gocache HOME=$TMP go build -o $OUT $SRC
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"
)

func check(err error) {
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(99)
	}
}

// Twenty goroutines append numbers; a collector writes them to a file.
func collect(path string) int {
	file, err := os.Create(path)
	check(err)
	out := bufio.NewWriter(file)
	numbers := make(chan int)
	var group sync.WaitGroup
	for worker := 0; worker < 20; worker++ {
		group.Add(1)
		go func(worker int) {
			defer group.Done()
			for i := 0; i < 50; i++ {
				numbers <- worker*50 + i
				time.Sleep(100 * time.Microsecond)
			}
		}(worker)
	}
	go func() { group.Wait(); close(numbers) }()
	sum := 0
	for number := range numbers {
		sum += number
		fmt.Fprintln(out, number)
	}
	check(out.Flush())
	check(file.Close())
	return sum
}

// One message through a TCP connection to ourselves: the runtime's poller.
func echo() string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	go func() {
		client, err := net.Dial("tcp", listener.Addr().String())
		check(err)
		time.Sleep(5 * time.Millisecond)
		fmt.Fprintln(client, "echo")
		client.Close()
	}()
	server, err := listener.Accept()
	check(err)
	line, err := bufio.NewReader(server).ReadString('\n')
	check(err)
	return line[:len(line)-1]
}

func main() {
	sum := collect("numbers.txt")
	info, err := os.Stat("numbers.txt")
	check(err)

	received := make(chan os.Signal, 1)
	signal.Notify(received, syscall.SIGUSR1)
	check(syscall.Kill(os.Getpid(), syscall.SIGUSR1))

	// Busy goroutines and collections make the runtime preempt by signal and return memory.
	var group sync.WaitGroup
	for worker := 0; worker < 4; worker++ {
		group.Add(1)
		go func() {
			defer group.Done()
			total := 0
			for end := time.Now().Add(60 * time.Millisecond); time.Now().Before(end); {
				total += len(make([]byte, 1<<16))
			}
			_ = total
		}()
	}
	runtime.GC()
	group.Wait()

	fmt.Printf("hello-go: sum %d, %d bytes, %v, %s\n", sum, info.Size(), <-received, echo())
}
