package sbom

import (
	"bytes"
	"strings"

	"github.com/CycloneDX/cyclonedx-go"
	"github.com/anchore/syft/syft/format/common/cyclonedxhelpers"
	"github.com/anchore/syft/syft/sbom"
)

const cyclonedxVersion = "1.6"

// cyclonedxDocument is syft's CycloneDX model with our identity. Its lists come sorted.
func cyclonedxDocument(found *sbom.SBOM, id *identity) *cyclonedx.BOM {
	bom := cyclonedxhelpers.ToFormatModel(*found)
	bom.SerialNumber = "urn:uuid:" + id.uuid(CycloneDXJSON)
	bom.Metadata.Timestamp = id.timestamp()
	bom.Metadata.Tools = &cyclonedx.ToolsChoice{Components: &[]cyclonedx.Component{
		{Type: cyclonedx.ComponentTypeApplication, Name: toolName, Version: id.toolVersion},
		{Type: cyclonedx.ComponentTypeApplication, Author: "anchore", Name: "syft", Version: syftVersion},
	}}
	if root := bom.Metadata.Component; root != nil {
		root.Name = id.subject.name
		if algorithm, value, ok := strings.Cut(id.subject.digest, ":"); ok {
			root.Version = id.subject.digest
			root.Hashes = cyclonedxHashes(algorithm, value)
		}
	}
	factsOf(found).stateCycloneDX(bom, id)
	return bom
}

func cyclonedxHashes(algorithm, value string) *[]cyclonedx.Hash {
	names := map[string]cyclonedx.HashAlgorithm{"sha256": cyclonedx.HashAlgoSHA256, "sha512": cyclonedx.HashAlgoSHA512}
	name, ok := names[algorithm]
	if !ok {
		return nil
	}
	return &[]cyclonedx.Hash{{Algorithm: name, Value: value}}
}

func encodeCycloneDX(bom *cyclonedx.BOM) ([]byte, error) {
	var b bytes.Buffer
	enc := cyclonedx.NewBOMEncoder(&b, cyclonedx.BOMFileFormatJSON)
	enc.SetEscapeHTML(false)
	err := enc.EncodeVersion(bom, cyclonedx.SpecVersion1_6)
	return b.Bytes(), err
}
