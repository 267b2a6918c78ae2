// Command hallmark signs what is shipped and verifies what is run: SBOMs,
// attestations and signatures of container images and files.
package main

import (
	"os"

	"github.com/hallmark-project/hallmark/internal/cli"
)

func main() { os.Exit(cli.Main()) }
