package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

const (
	startUp    = "start-up"
	byCosign   = "cosign"
	bySyft     = "syft"
	bySkopeo   = "skopeo"
	byBoth     = "syft and cosign"
	ms         = time.Millisecond
	heavyRuns  = 3 // of what takes peers half a minute
	imageTag   = "app"
	linuxAMD64 = "linux/amd64"
)

// latencies are what the proxy adds to each request.
func (b *bench) latencies() []time.Duration {
	if b.quick {
		return []time.Duration{20 * ms}
	}
	return []time.Duration{0, 20 * ms, 50 * ms}
}

// operations are all that can be measured.
func (b *bench) operations() []operation {
	b.distribution, b.memory = newRegistry("distribution"), newRegistry("ocimem")
	out := b.startUps()
	out = append(out, b.sbomOperations()...)
	for _, r := range []*registry{b.distribution, b.memory} {
		for _, latency := range b.latencies() {
			for _, o := range b.signing(r) {
				o.latency = latency
				out = append(out, o)
			}
		}
		out = append(out, b.release(r))
		out = append(out, b.copies(r)...)
	}
	return append(out, b.manyOperation())
}

// startUps are what a command costs that does nothing.
func (b *bench) startUps() []operation {
	version := commands([]string{b.cosign, "version"})
	return []operation{
		{name: startUp + ": version", peer: byCosign, ours: b.fixed("version"), theirs: func(string) script { return version }},
		{name: startUp + ": verify --help", peer: byCosign, ours: b.fixed("verify", "--help"), theirs: func(string) script { return version }},
	}
}

func (b *bench) fixed(args ...string) func(string) script {
	return func(string) script { return commands(append([]string{b.hallmark}, args...)) }
}

// signing are the operations on one image of a registry.
func (b *bench) signing(r *registry) []operation {
	needs := []need{{"registry " + r.name, func() error { return r.start(b) }}, {"SBOM of 6 MB", b.writeLargeSBOM}}
	sign := func(ref string) []string { return []string{b.hallmark, "sign", "--key", "k.key", ref} }
	attest := func(ref string) []string {
		return []string{b.hallmark, "attest", "--key", "k.key", "--type", "spdx", "--predicate", largeSBOM, ref}
	}
	cosignSigns := func(ref string) []string { return b.cosignWrites("sign", ref) }
	cosignAttests := func(ref string) []string {
		return b.cosignWrites("attest", ref, "--type", "spdxjson", "--predicate", largeSBOM)
	}
	verify := func(more ...string) func(string) script {
		return func(ref string) script {
			return commands(append(append([]string{b.hallmark, "verify", "--key", "k.pub"}, more...), ref))
		}
	}
	cosignReads := func(command ...string) func(string) script {
		return func(ref string) script { return commands(b.cosignReads(ref, command...)) }
	}
	list := []operation{
		{name: "sign", ours: func(ref string) script { return commands(sign(ref)) }, theirs: func(ref string) script { return commands(cosignSigns(ref)) },
			prepare: r.onAMD64(nil)},
		{name: "attest an SBOM of 6 MB", ours: func(ref string) script { return commands(attest(ref)) },
			theirs: func(ref string) script { return commands(cosignAttests(ref)) }, prepare: r.onAMD64(nil)},
		{name: "verify what each has signed", ours: verify(), theirs: cosignReads("verify"),
			prepare: byEach(r.onAMD64(b.runsOnce(sign)), r.onAMD64(b.runsOnce(cosignSigns)))},
		{name: "verify what hallmark signed", ours: verify(), theirs: cosignReads("verify"), prepare: r.onAMD64(b.runsOnce(sign))},
		{name: "verify what cosign signed", ours: verify(), theirs: cosignReads("verify"), prepare: r.onAMD64(b.runsOnce(cosignSigns))},
		{name: "verify-attestation of 6 MB by hallmark", ours: verify("--require", "spdx"), theirs: cosignReads("verify-attestation", "--type", "spdxjson"),
			prepare: r.onAMD64(b.runsOnce(attest))},
		{name: "verify-attestation of 6 MB by cosign", ours: verify("--require", "spdx"), theirs: cosignReads("verify-attestation", "--type", "spdxjson"),
			prepare: r.onAMD64(b.runsOnce(cosignAttests))},
	}
	for i := range list {
		list[i].peer, list[i].at, list[i].needs = byCosign, r, needs
		if i > 1 { // who reads leaves everything as it was
			list[i].prepare = r.kept(list[i].name, list[i].prepare)
		}
	}
	return list
}

// byEach prepares for each tool with the tool itself.
func byEach(ours, theirs func(bool) (string, error)) func(bool) (string, error) {
	return func(forUs bool) (string, error) {
		if forUs {
			return ours(forUs)
		}
		return theirs(forUs)
	}
}

// kept prepares once for all runs of a tool.
func (r *registry) kept(name string, prepare func(bool) (string, error)) func(bool) (string, error) {
	return func(ours bool) (ref string, err error) {
		key := fmt.Sprint(name, ours)
		if ref = r.prepared[key]; ref == "" {
			ref, err = prepare(ours)
			r.prepared[key] = ref
		}
		return ref, err
	}
}

// runsOnce runs one command before what is measured.
func (b *bench) runsOnce(command func(ref string) []string) func(string) error {
	return func(ref string) error {
		c := command(ref)
		return b.execute(c[0], c[1:]...)
	}
}

// onAMD64 gives a repository of its own to each run, and what is to be done to the image
// for linux/amd64 in it before.
func (r *registry) onAMD64(before func(ref string) error) func(bool) (string, error) {
	return func(bool) (string, error) {
		index, err := r.fresh()
		if err != nil {
			return "", err
		}
		ref := index[:strings.LastIndexByte(index, '@')+1] + r.platforms["amd64"]
		if before != nil {
			err = before(ref)
		}
		return ref, err
	}
}

func (b *bench) cosignWrites(command, ref string, more ...string) []string {
	args := []string{b.cosign, command, "-y", "--key", "k.key", "--signing-config", "signing-config.json", "--trusted-root", "trusted-root.json", "--allow-http-registry"}
	return append(append(args, more...), ref)
}

func (b *bench) cosignReads(ref string, command ...string) []string {
	args := append([]string{b.cosign}, command...)
	return append(args, "--key", "k.pub", "--insecure-ignore-tlog", "--trusted-root", "trusted-root.json", "--allow-http-registry", ref)
}

// largeSBOM is a document of the size that images of a few hundred packages have.
const (
	largeSBOM     = "large.spdx.json"
	largeSBOMSize = 6_000_000
)

// writeLargeSBOM makes it from the test image's, with a long comment.
func (b *bench) writeLargeSBOM() error {
	layout, err := b.layout()
	if err != nil {
		return err
	}
	if err := b.execute(b.hallmark, "sbom", "oci:"+layout+":"+imageTag, "--platform", linuxAMD64, "-o", "spdx-json=small.spdx.json"); err != nil {
		return err
	}
	document, err := os.ReadFile(b.path("small.spdx.json"))
	if err != nil {
		return err
	}
	begin, rest, found := bytes.Cut(document, []byte("{"))
	if !found {
		return errors.New("the SBOM is no JSON object")
	}
	comment := strings.Repeat("x", max(0, largeSBOMSize-len(document)))
	large := fmt.Appendf(begin, "{\"comment\":%q,%s", comment, rest)
	return os.WriteFile(b.path(largeSBOM), large, 0o600)
}

// release is the image of two platforms: SBOMs in two formats of each, attested, each
// platform and the index signed. The peers' script does the same.
func (b *bench) release(r *registry) operation {
	return operation{name: "release of two platforms", peer: byBoth, at: r, latency: 20 * ms, runs: heavyRuns,
		needs:   []need{{"registry " + r.name, func() error { return r.start(b) }}},
		prepare: func(bool) (string, error) { return r.fresh() },
		ours: func(ref string) script {
			return commands([]string{b.hallmark, "release", "-q", "--key", "k.key", ref})
		},
		theirs: func(ref string) script { return script{commands: b.releaseByPeers(r, ref)} }}
}

// releaseByPeers is the script that does with syft and cosign what a release does.
func (b *bench) releaseByPeers(r *registry, index string) [][]string {
	var makes, attests [][]string
	repository := index[:strings.LastIndexByte(index, '@')+1]
	for _, arch := range []string{"amd64", "arm64"} {
		ref := repository + r.platforms[arch]
		spdx, cyclonedx := "peer.spdx."+arch+".json", "peer.cdx."+arch+".json"
		makes = append(makes, []string{b.syft, "scan", "-q", "--platform", "linux/" + arch, "registry:" + ref, "-o", "spdx-json=" + spdx, "-o", "cyclonedx-json=" + cyclonedx})
		attests = append(attests, b.cosignWrites("attest", ref, "--type", "spdxjson", "--predicate", spdx),
			b.cosignWrites("attest", ref, "--type", "cyclonedx", "--predicate", cyclonedx))
	}
	return append(append(makes, b.cosignWrites("sign", index, "--recursive")), attests...)
}
