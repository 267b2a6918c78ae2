// Command man writes the manual pages of hallmark, one for each command:
//
//	man DIR
//
// The date in them is SOURCE_DATE_EPOCH, so that the same commands give the same pages.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra/doc"

	"github.com/hallmark-project/hallmark/internal/cli"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: man DIR")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Getenv("SOURCE_DATE_EPOCH")); err != nil {
		fmt.Fprintln(os.Stderr, "man:", err)
		os.Exit(1)
	}
}

// write makes the folder and the pages in it.
func write(dir, epoch string) error {
	seconds := int64(0)
	if epoch != "" {
		var err error
		if seconds, err = strconv.ParseInt(epoch, 10, 64); err != nil {
			return fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	date := time.Unix(seconds, 0).UTC()
	return doc.GenManTree(cli.Command(), &doc.GenManHeader{Section: "1", Source: "hallmark", Manual: "Hallmark", Date: &date}, dir)
}
