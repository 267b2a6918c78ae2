package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

const (
	bundleType     = "application/vnd.dev.sigstore.bundle.v0.3+json"
	predicateLabel = "dev.sigstore.bundle.predicateType"
)

// bigSBOM attests an SBOM of a size to an image, and verifies that.
func (b *bench) bigSBOM(size int64) error {
	host, err := b.startDistribution()
	if err != nil {
		return err
	}
	image, err := smallImage(host, "sizes/sbom")
	if err != nil {
		return err
	}
	subject := host + "/sizes/sbom@" + image.Digest.String()
	if err := writeSBOM(b.path("big.spdx.json"), size); err != nil {
		return err
	}
	if err := b.prepare("attest", "--key", "k.key", "--type", "spdx", "--predicate", "big.spdx.json", subject); err != nil {
		return err
	}
	return b.measure(fmt.Sprintf("verify an SBOM of %d MB", size/1_000_000), limitSBOM, "verify", "--key", "k.pub", "--require", "spdx", subject)
}

// writeSBOM writes an SPDX document of many packages.
func writeSBOM(name string, size int64) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	defer file.Close()
	out := bufio.NewWriterSize(file, 1<<20)
	written, _ := fmt.Fprint(out, `{"spdxVersion":"SPDX-2.3","dataLicense":"CC0-1.0","SPDXID":"SPDXRef-DOCUMENT","name":"big",`+
		`"documentNamespace":"https://example.com/big","creationInfo":{"created":"2026-01-02T03:04:05Z","creators":["Tool: sizes"]},"packages":[`)
	comma := ""
	for n := 0; int64(written) < size; n++ {
		more, err := fmt.Fprintf(out, `%s{"SPDXID":"SPDXRef-Package-%d","name":"package-%d","versionInfo":"1.%d.0","downloadLocation":"NOASSERTION",`+
			`"filesAnalyzed":false,"licenseConcluded":"NOASSERTION","licenseDeclared":"MIT","copyrightText":"NOASSERTION",`+
			`"externalRefs":[{"referenceCategory":"PACKAGE-MANAGER","referenceType":"purl","referenceLocator":"pkg:npm/package-%d@1.%d.0"}]}`, comma, n, n, n, n, n)
		if err != nil {
			return err
		}
		written, comma = written+more, ","
	}
	fmt.Fprint(out, "]}")
	return out.Flush()
}

// bigImage copies an image of a size from a layout to a registry and back out.
func (b *bench) bigImage(size int64) error {
	if !b.has("copy") {
		fmt.Fprintln(os.Stderr, "sizes: this hallmark has no command copy: the big image is left out")
		return nil
	}
	fmt.Fprintln(os.Stderr, "sizes: writing the big image")
	if err := writeImage(b.path("big"), size); err != nil {
		return err
	}
	host, err := b.startDistribution()
	if err != nil {
		return err
	}
	name := func(how string) string { return fmt.Sprintf("copy an image of %.1f GB, %s", float64(size)/1e9, how) }
	if err := b.measure(name("layout to registry"), limitCopy, "copy", "oci:big:v1", host+"/sizes/big:v1"); err != nil {
		return err
	}
	if err := os.RemoveAll(b.path("big")); err != nil {
		return err
	}
	if err := b.measure(name("registry to layout"), limitCopy, "copy", host+"/sizes/big:v1", "oci:out:v1"); err != nil {
		return err
	}
	return b.measure(name("again, layout to registry"), limitCopy, "copy", "oci:out:v1", host+"/sizes/big:v1")
}

// referrers attaches many small things to an image and an SBOM, and has the SBOM picked
// out by its type.
func (b *bench) referrers(n int) error {
	host, err := b.startMemory()
	if err != nil {
		return err
	}
	image, err := smallImage(host, "sizes/crowd")
	if err != nil {
		return err
	}
	subject := host + "/sizes/crowd@" + image.Digest.String()
	fmt.Fprintf(os.Stderr, "sizes: attaching %d referrers\n", n)
	if err := attachMany(host, "sizes/crowd", image, n); err != nil {
		return err
	}
	if err := os.WriteFile(b.path("result.json"), []byte(`{"result":"PASSED","configuration":[]}`), 0o600); err != nil {
		return err
	}
	if err := b.prepare("attest", "--key", "k.key", "--type", "test-result", "--predicate", "result.json", subject); err != nil {
		return err
	}
	return errors.Join(
		b.measure(fmt.Sprintf("verify one type among %d referrers", n), limitReferrers, "verify", "--key", "k.pub", "--require", "test-result", subject),
		b.measure(fmt.Sprintf("show one type among %d referrers", n), limitReferrers, "show", "--type", "test-result", subject))
}

// attachMany puts referrers that say of themselves that they are bundles of other types.
func attachMany(host, repository string, subject ocispec.Descriptor, n int) error {
	empty, err := putBlob(host, repository, []byte("{}"))
	if err != nil {
		return err
	}
	for i := range n {
		_, err := putImage(host, repository, ocispec.Manifest{
			ArtifactType: bundleType, Subject: &subject,
			Config: ocispec.Descriptor{MediaType: ocispec.MediaTypeEmptyJSON, Digest: empty, Size: 2},
			Layers: []ocispec.Descriptor{{MediaType: bundleType, Digest: empty, Size: 2}},
			Annotations: map[string]string{
				predicateLabel: fmt.Sprintf("https://example.com/scan/%d", i), "dev.sigstore.bundle.content": "dsse-envelope",
				ocispec.AnnotationCreated: "2026-01-02T03:04:05Z",
			},
		})
		if err != nil {
			return err
		}
	}
	return nil
}
