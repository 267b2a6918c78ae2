package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// checkout is a working copy of the repository, and what git says of it.
type checkout struct {
	dir      string
	version  string // as git describes it
	revision string
	time     time.Time
}

// readCheckout asks git. SOURCE_DATE_EPOCH (https://reproducible-builds.org/specs/source-date-epoch/)
// takes the place of the commit's time.
func readCheckout(dir string) (checkout, error) {
	c := checkout{dir: dir}
	var err error
	if c.version, err = git(dir, "describe", "--tags", "--always", "--dirty"); err != nil {
		return c, err
	}
	if c.revision, err = git(dir, "rev-parse", "HEAD"); err != nil {
		return c, err
	}
	seconds := os.Getenv("SOURCE_DATE_EPOCH")
	if seconds == "" {
		if seconds, err = git(dir, "log", "-1", "--format=%ct"); err != nil {
			return c, err
		}
	}
	at, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil || at < 0 {
		return c, fmt.Errorf("%q is no time in seconds; look at SOURCE_DATE_EPOCH", seconds)
	}
	c.time = time.Unix(at, 0).UTC()
	return c, nil
}

var notInTags = regexp.MustCompile(`[^A-Za-z0-9_.-]`)

// tag is the version as registries allow it: no slash, no plus, 128 characters.
func (c checkout) tag() string {
	tag := strings.TrimLeft(notInTags.ReplaceAllString(c.version, "-"), ".-")
	if len(tag) > 128 {
		tag = tag[:128]
	}
	return tag
}

// binary builds hallmark for an architecture, with nothing in it of where it was built.
func (c checkout) binary(arch string) ([]byte, error) {
	temp, err := os.MkdirTemp("", "hallmark-image-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(temp) }() // what is left is in the system's folder for that
	out := filepath.Join(temp, "hallmark")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-trimpath", "-tags", "disable_grpc_modules,grpcnotrace", "-ldflags", "-s -w -buildid= -X github.com/hallmark-project/hallmark/internal/cli.version="+c.tag(), "-o", out, "./cmd/hallmark")
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOAMD64=v1", "GOARM64=v8.0", "GOFLAGS=")
	if said, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building hallmark for linux/%s: %w\n%s", arch, err, said)
	}
	return os.ReadFile(out)
}

func git(dir string, args ...string) (string, error) {
	var said bytes.Buffer
	cmd := exec.Command("git", append([]string{"-C", dir}, args...)...)
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(said.String()))
	}
	return strings.TrimSpace(string(out)), nil
}
