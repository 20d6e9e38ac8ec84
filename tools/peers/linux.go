//go:build linux

package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sendQueue sends datagrams of a ring with sendmmsg(2): one system call for a
// burst, so that the sender leaves the cores to the collector.
type sendQueue struct {
	raw     syscall.RawConn
	headers []mmsghdr
}

// mmsghdr is struct mmsghdr of sendmmsg(2); Go pads it as C does.
type mmsghdr struct {
	header unix.Msghdr
	length uint32
}

func newSendQueue(conn *net.UDPConn, ring [][]byte) (*sendQueue, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	q := &sendQueue{raw: raw, headers: make([]mmsghdr, len(ring))}
	vectors := make([]unix.Iovec, len(ring))
	for i, b := range ring {
		vectors[i].Base = &b[0]
		vectors[i].SetLen(len(b))
		q.headers[i].header.Iov = &vectors[i]
		q.headers[i].header.SetIovlen(1)
	}
	return q, nil
}

// send hands the datagrams from..end-1 of the ring to the kernel.
func (q *sendQueue) send(from, end int) error {
	for from < end {
		var n uintptr
		var errno syscall.Errno
		err := q.raw.Write(func(fd uintptr) bool {
			n, _, errno = unix.Syscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&q.headers[from])), uintptr(end-from), 0, 0, 0)
			return errno != unix.EAGAIN
		})
		switch {
		case err != nil:
			return err
		case errno == unix.ECONNREFUSED: // of an earlier datagram: nobody listened then
			continue
		case errno != 0 && !errors.Is(errno, unix.EINTR):
			return fmt.Errorf("send datagrams: %w", os.NewSyscallError("sendmmsg", errno))
		}
		from += int(n)
	}
	return nil
}

// pause sleeps more exactly than time.Sleep, whose netpoller rounds up to milliseconds.
func pause(d time.Duration) {
	spec := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&spec, nil) // a signal may end it early: the caller looks at the clock
}

// goFirst gives the calling thread precedence until what it returns is called: a
// sender that waits for the collector would find no limit. Only root may.
func goFirst() (back func()) {
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, -10)
	return func() { _ = unix.Setpriority(unix.PRIO_PROCESS, 0, 0) }
}

// endWithUs lets the kernel kill a child whose parent was killed.
func endWithUs(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// peakOf is the most memory that a process has had, or the largest of its children.
func peakOf(p *os.ProcessState) int64 {
	u, ok := p.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return u.Maxrss << 10
}
