// Command quickstart is the stage for `make quickstart`: it packs binaries into a
// two-platform OCI image layout, and later tampers with the evidence in it as
// somebody with write access could.
//
//	quickstart pack DIR PLATFORM=BINARY...
//	quickstart tamper DIR [PACKAGE]
package main

import (
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) >= 3 && args[0] == "pack":
		return pack(args[1], args[2:])
	case len(args) == 2 && args[0] == "tamper":
		return tamper(args[1], hidden)
	case len(args) == 3 && args[0] == "tamper":
		return tamper(args[1], args[2])
	}
	return fmt.Errorf("usage: quickstart pack DIR PLATFORM=BINARY... | quickstart tamper DIR [PACKAGE]")
}
