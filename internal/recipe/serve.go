package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// serve serves the files of a folder on loopback, and says where, until it is ended: it
// stands in for the place that a recipe downloads from.
func serve(dir string, out io.Writer) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "http://%s\n", l.Addr())
	s := &http.Server{Handler: http.FileServer(http.Dir(dir)), ReadHeaderTimeout: 10 * time.Second}
	return s.Serve(l)
}
