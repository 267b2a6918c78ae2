package main

import (
	"bytes"
	"encoding/pem"
	"strconv"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/crypto/x509roots/fallback/bundle"

	"github.com/hallmark-project/hallmark/internal/layoutpack"
)

// home is that of the user whom the image runs as, nonroot.
const home = "/home/nonroot"

const nonroot = 65532

var architectures = []string{"amd64", "arm64"}

func indexOf(c checkout) (v1.ImageIndex, error) {
	base, err := layer(baseFiles(), c.time)
	if err != nil {
		return nil, err
	}
	var images []layoutpack.Image
	for _, arch := range architectures {
		content, err := c.binary(arch)
		if err != nil {
			return nil, err
		}
		program, err := layer([]layoutpack.File{
			{Name: "usr/", Mode: 0o755}, {Name: "usr/bin/", Mode: 0o755},
			{Name: "usr/bin/hallmark", Mode: 0o755, Content: content},
		}, c.time)
		if err != nil {
			return nil, err
		}
		images = append(images, layoutpack.Image{Platform: v1.Platform{OS: "linux", Architecture: arch}, Created: c.time,
			Config: config(c), Layers: []v1.Layer{base, program}})
	}
	return layoutpack.Index(images, labels(c))
}

func layer(files []layoutpack.File, modified time.Time) (v1.Layer, error) {
	archive, err := layoutpack.Tar(files, modified)
	if err != nil {
		return nil, err
	}
	return layoutpack.Gzipped(archive)
}

// baseFiles are what a static program expects to find.
func baseFiles() []layoutpack.File {
	return []layoutpack.File{
		{Name: "etc/", Mode: 0o755},
		{Name: "etc/passwd", Mode: 0o644, Content: []byte("root:x:0:0:root:/root:/sbin/nologin\n" +
			"nonroot:x:" + strconv.Itoa(nonroot) + ":" + strconv.Itoa(nonroot) + ":nonroot:" + home + ":/sbin/nologin\n")},
		{Name: "etc/group", Mode: 0o644, Content: []byte("root:x:0:\nnonroot:x:" + strconv.Itoa(nonroot) + ":\n")},
		{Name: "etc/ssl/", Mode: 0o755}, {Name: "etc/ssl/certs/", Mode: 0o755},
		{Name: "etc/ssl/certs/ca-certificates.crt", Mode: 0o644, Content: authorities()},
		{Name: "home/", Mode: 0o755}, {Name: home[1:] + "/", Mode: 0o700, Owner: nonroot},
		{Name: "tmp/", Mode: 0o1777},
	}
}

// authorities are Mozilla's in PEM. Those that are trusted up to a date only are left
// out: a PEM file cannot say that.
func authorities() []byte {
	var out bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			out.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}))
		}
	}
	return out.Bytes()
}

func config(c checkout) v1.Config {
	return v1.Config{
		User:       strconv.Itoa(nonroot) + ":" + strconv.Itoa(nonroot),
		Env:        []string{"PATH=/usr/bin", "HOME=" + home, "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"},
		Entrypoint: []string{"/usr/bin/hallmark"},
		WorkingDir: home,
		Labels:     labels(c),
	}
}

// labels are the annotations of
// https://github.com/opencontainers/image-spec/blob/v1.1.1/annotations.md that apply.
func labels(c checkout) map[string]string {
	return map[string]string{
		"org.opencontainers.image.title":       "hallmark",
		"org.opencontainers.image.description": "SBOMs, signatures and attestations of container images",
		"org.opencontainers.image.source":      "https://github.com/hallmark-project/hallmark",
		"org.opencontainers.image.revision":    c.revision,
		"org.opencontainers.image.version":     c.version,
		"org.opencontainers.image.created":     c.time.Format(time.RFC3339),
		"org.opencontainers.image.licenses":    "Apache-2.0",
	}
}
