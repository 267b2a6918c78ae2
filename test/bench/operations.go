package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// operation is something that both tools do: command lines for a reference to the
// index, by digest. Several commands are run one after the other.
type operation struct {
	name             string
	subject          func(index string) string // what the commands are about; nil: the index
	prepare          func(ref string) error    // what must be there before
	hallmark, cosign func(ref string) [][]string
}

func (o operation) title(r *registry) string {
	if r == nil {
		return o.name
	}
	return fmt.Sprintf("%s, %s, %v", o.name, r.name, time.Duration(r.proxy.latency.Load()))
}

// largeSBOM is a document of the size that images of a few hundred packages have.
const (
	largeSBOM     = "large.spdx.json"
	largeSBOMSize = 6_000_000
)

// writeLargeSBOM makes it from the test image's, with a long comment.
func (b *bench) writeLargeSBOM() error {
	document, err := os.ReadFile(filepath.Join(b.dir, "spdx.linux-amd64.json"))
	if err != nil {
		return err
	}
	begin, rest, found := bytes.Cut(document, []byte("{"))
	if !found {
		return errors.New("the SBOM is no JSON object")
	}
	comment := strings.Repeat("x", max(0, largeSBOMSize-len(document)))
	large := fmt.Appendf(begin, "{\"comment\":%q,%s", comment, rest)
	return os.WriteFile(filepath.Join(b.dir, largeSBOM), large, 0o600)
}

// operations are those that go through a registry.
func (b *bench) operations(r *registry) []operation {
	amd64 := func(index string) string {
		return index[:strings.LastIndexByte(index, '@')+1] + r.platforms["amd64"]
	}
	sign := func(ref string) [][]string { return [][]string{{b.hallmark, "sign", "--key", "k.key", ref}} }
	return []operation{
		{name: "sign by digest", subject: amd64, hallmark: sign,
			cosign: func(ref string) [][]string { return [][]string{b.cosignWrites("sign", ref)} }},
		{name: "verify by digest", subject: amd64,
			prepare: func(ref string) error { return b.execute(b.hallmark, sign(ref)[0][1:]...) },
			hallmark: func(ref string) [][]string {
				return [][]string{{b.hallmark, "verify", "--key", "k.pub", ref}}
			},
			cosign: func(ref string) [][]string {
				return [][]string{{b.cosign, "verify", "--key", "k.pub", "--insecure-ignore-tlog", "--trusted-root", "trusted-root.json", "--allow-http-registry", ref}}
			}},
		{name: "attest an SBOM of 6 MB", subject: amd64,
			hallmark: func(ref string) [][]string {
				return [][]string{{b.hallmark, "attest", "--key", "k.key", "--type", "spdx", "--predicate", largeSBOM, ref}}
			},
			cosign: func(ref string) [][]string {
				return [][]string{b.cosignWrites("attest", ref, "--type", "spdxjson", "--predicate", largeSBOM)}
			}},
		{name: "release (cosign without making SBOMs)",
			hallmark: func(ref string) [][]string { return [][]string{{b.hallmark, "release", "--key", "k.key", ref}} },
			cosign:   func(ref string) [][]string { return b.cosignRelease(r, ref) }},
	}
}

func (b *bench) cosignWrites(command, ref string, more ...string) []string {
	args := []string{b.cosign, command, "-y", "--key", "k.key", "--signing-config", "signing-config.json", "--trusted-root", "trusted-root.json", "--allow-http-registry"}
	return append(append(args, more...), ref)
}

// cosignRelease is the script that does with cosign what a release leaves behind: the
// index and each platform signed, two SBOMs attested on each platform.
func (b *bench) cosignRelease(r *registry, index string) [][]string {
	commands := [][]string{b.cosignWrites("sign", index, "--recursive")}
	repository := index[:strings.LastIndexByte(index, '@')+1]
	for _, arch := range []string{"amd64", "arm64"} {
		ref := repository + r.platforms[arch]
		commands = append(commands,
			b.cosignWrites("attest", ref, "--type", "spdxjson", "--predicate", "spdx.linux-"+arch+".json"),
			b.cosignWrites("attest", ref, "--type", "cyclonedx", "--predicate", "cdx.linux-"+arch+".json"))
	}
	return commands
}
