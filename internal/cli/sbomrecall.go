package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/inventory"
	"github.com/hallmark-project/hallmark/sbom"
)

// errOtherSBOM says that an SBOM in the cache is not the one that was asked for.
var errOtherSBOM = errors.New("the SBOM in the cache is not of this image")

// checkRecalled reports whether a document that was kept is in its format and version, describes the image of this digest
// and has as many packages as were found. Whether the packages are right, only the image can tell.
func checkRecalled(doc sbom.Document, image digest.Digest) error {
	members, err := bundle.Members(doc.Bytes)
	if err != nil {
		return err
	}
	of := map[string][]byte{}
	for _, m := range members {
		of[m.Key] = m.Raw
	}
	var said recalled
	switch doc.Format {
	case sbom.SPDXJSON:
		said, err = recalledSPDX(of, image)
	case sbom.CycloneDXJSON:
		said, err = recalledCycloneDX(of)
	case sbom.SyftJSON:
		said, err = recalledSyft(of)
	}
	if err != nil {
		return err
	}
	if want := (recalled{version: doc.Version, image: image.String(), packages: doc.Packages}); said != want {
		return fmt.Errorf("%w: it says %+v, not %+v", errOtherSBOM, said, want)
	}
	return nil
}

// checkToSign is checkRecalled of a document that is about to be signed: all of it has to be as its format wants it.
func checkToSign(doc sbom.Document, image digest.Digest) error {
	if err := checkRecalled(doc, image); err != nil {
		return err
	}
	read, err := inventory.Parse(doc.Bytes)
	if err != nil {
		return err
	}
	if doc.Packages > 0 && read.Subject.Version != image.String() {
		return fmt.Errorf("%w: it describes %q", errOtherSBOM, read.Subject.Version)
	}
	return nil
}

// recalled is what a document says of itself.
type recalled struct {
	version  string
	image    string
	packages int
}

// maxRecalled caps the packages and files of a document.
const maxRecalled = 2_000_000

// recalledSPDX reads an SPDX document as package sbom writes it: the image is the first of its packages.
func recalledSPDX(of map[string][]byte, image digest.Digest) (r recalled, err error) {
	var version, namespace string
	var root struct {
		Version string `json:"versionInfo"`
	}
	packages, err := bundle.Elements(of["packages"], maxRecalled)
	if err == nil && len(packages) == 0 {
		err = errOtherSBOM
	}
	if err != nil {
		return r, err
	}
	err = errors.Join(bundle.Decode(of["spdxVersion"], &version), bundle.Decode(of["documentNamespace"], &namespace), bundle.Decode(packages[0], &root))
	if err == nil && !strings.Contains(namespace, "/"+strings.Replace(image.String(), ":", "-", 1)+"/") {
		err = fmt.Errorf("%w: its namespace is %q", errOtherSBOM, namespace)
	}
	return recalled{strings.TrimPrefix(version, "SPDX-"), root.Version, len(packages) - 1}, err
}

func recalledCycloneDX(of map[string][]byte) (r recalled, err error) {
	var format, version string
	var metadata struct {
		Component struct {
			Version string `json:"version"`
		} `json:"component"`
	}
	err = errors.Join(bundle.Decode(of["bomFormat"], &format), bundle.Decode(of["specVersion"], &version), bundle.Decode(of["metadata"], &metadata))
	if err == nil && format != "CycloneDX" {
		err = fmt.Errorf("%w: it is %q", errOtherSBOM, format)
	}
	r = recalled{version: version, image: metadata.Component.Version}
	if raw, ok := of["components"]; ok && err == nil {
		r.packages, err = cycloneDXPackages(raw)
	}
	return r, err
}

// cycloneDXPackages counts the components that are packages.
func cycloneDXPackages(list []byte) (packages int, err error) {
	components, err := bundle.Elements(list, maxRecalled)
	if err != nil {
		return 0, err
	}
	for _, raw := range components {
		var c struct {
			Type string `json:"type"`
		}
		if err := json.Unmarshal(raw, &c); err != nil { // its members were found to stand once
			return 0, err
		}
		if c.Type != "file" && c.Type != "operating-system" {
			packages++
		}
	}
	return packages, nil
}

func recalledSyft(of map[string][]byte) (r recalled, err error) {
	var schema, source struct {
		Version string `json:"version"`
	}
	artifacts, err := bundle.Elements(of["artifacts"], maxRecalled)
	err = errors.Join(err, bundle.Decode(of["schema"], &schema), bundle.Decode(of["source"], &source))
	return recalled{schema.Version, source.Version, len(artifacts)}, err
}
