// A file server on loopback for the benchmark of the download: `fileserver FOLDER [BYTES-PER-SECOND]`.
//
// It prints its port. Without a rate the kernel sends the files (sendfile); with one, each connection gets that much.
package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"
)

// A slice of time after which a connection may go on.
const slices = 20

type limitedListener struct {
	net.Listener
	rate int
}

type limitedConn struct {
	net.Conn
	rate int
	next time.Time
}

func (l limitedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &limitedConn{Conn: conn, rate: l.rate, next: time.Now()}, nil
}

func (c *limitedConn) Write(p []byte) (int, error) {
	written := 0
	for written < len(p) {
		if now := time.Now(); c.next.Before(now) {
			c.next = now
		}
		time.Sleep(time.Until(c.next))
		end := min(len(p), written+c.rate/slices)
		n, err := c.Conn.Write(p[written:end])
		written += n
		c.next = c.next.Add(time.Duration(n) * time.Second / time.Duration(c.rate))
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	if len(os.Args) > 2 {
		rate, err := strconv.Atoi(os.Args[2])
		if err != nil || rate < slices {
			log.Fatalf("%q: expected bytes per second", os.Args[2])
		}
		listener = limitedListener{listener, rate}
	}
	log.Fatal(http.Serve(listener, http.FileServer(http.Dir(os.Args[1]))))
}
