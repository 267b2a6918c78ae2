// Command image builds the container image of hallmark, without a daemon: an OCI layout
// with an index of two platforms, tagged with the version.
//
//	image [-source CHECKOUT] DIR
//
// The same commit built by the same version of Go gives the same digest, wherever it is
// checked out. DIR is left alone if it holds that image already, so evidence that was
// attached to it stays. It prints the tag and the index's digest.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	source := flag.String("source", ".", "checkout that is built")
	flag.Parse()
	if err := run(*source, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(source string, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: image [-source CHECKOUT] DIR")
	}
	c, err := readCheckout(source)
	if err != nil {
		return err
	}
	index, err := indexOf(c)
	if err != nil {
		return err
	}
	digest, err := index.Digest()
	if err != nil {
		return err
	}
	if err := place(args[0], c.tag(), digest, index); err != nil {
		return err
	}
	fmt.Printf("%s %s\n", c.tag(), digest)
	return nil
}
