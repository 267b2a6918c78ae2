package sbom

import (
	"bytes"
	"encoding/json"
	"fmt"
	"runtime/debug"

	"github.com/anchore/syft/syft/format/syftjson"
	"github.com/anchore/syft/syft/sbom"
)

const (
	// manyPackages is from how many packages on memory is looked after.
	manyPackages = 5_000
	// manyGC is by how many percent the heap then grows before the collector runs.
	manyGC = 25
)

// encodeAll writes what was found in each of the formats. The libraries build each document
// as a tree and then as text, several times its size, and leave the trees behind: with many
// packages, the collector is not left to let them add up.
func encodeAll(found *sbom.SBOM, id *identity, formats []Format) ([]Document, error) {
	if found.Artifacts.Packages.PackageCount() >= manyPackages {
		debug.FreeOSMemory() // what cataloguing left
		defer debug.SetGCPercent(debug.SetGCPercent(manyGC))
	}
	docs := make([]Document, 0, len(formats))
	for _, f := range formats {
		version, text, err := encode(found, id, f)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", f, err)
		}
		docs = append(docs, Document{Format: f, Version: version, Bytes: text, Packages: found.Artifacts.Packages.PackageCount()})
	}
	return docs, nil
}

func encode(found *sbom.SBOM, id *identity, f Format) (version string, text []byte, err error) {
	switch f {
	case SPDXJSON:
		doc, err := spdxDocument(found, id)
		if err != nil {
			return "", nil, err
		}
		text, err = encodeSPDX(doc)
		return spdxVersion, text, err
	case CycloneDXJSON:
		text, err = encodeCycloneDX(cyclonedxDocument(found, id))
		return cyclonedxVersion, text, err
	case SyftJSON:
		doc := syftjson.ToFormatModel(*found, syftjson.DefaultEncoderConfig())
		text, err = encodeJSON(&doc)
		return doc.Schema.Version, text, err
	}
	return "", nil, fmt.Errorf("%w %q", ErrFormat, f)
}

func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // URLs stay readable
	err := enc.Encode(v)
	return b.Bytes(), err
}
