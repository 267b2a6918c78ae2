package attest

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/hallmark-project/hallmark/bundle"
)

// SBOMs may be large: what tells their type is looked up without taking the rest apart.

// document is the top of a JSON object: its members as they stand there.
type document map[string][]byte

func parseDocument(data []byte) (document, error) {
	members, err := bundle.Members(data)
	if err != nil {
		return nil, err
	}
	d := document{}
	for _, m := range members {
		d[m.Key] = bytes.TrimSpace(m.Raw)
	}
	return d, nil
}

// text is a member that is a string, empty if it is none.
func (d document) text(name string) (s string) {
	if json.Unmarshal(d[name], &s) != nil {
		return ""
	}
	return s
}

// within is a member of a member, empty if it is no string.
func (d document) within(outer, name string) string {
	inner, err := parseDocument(d[outer])
	if err != nil {
		return ""
	}
	return inner.text(name)
}

func (d document) isList(name string) bool { return bytes.HasPrefix(d[name], []byte("[")) }

func checkSPDX(data []byte) (string, error) {
	d, err := parseDocument(data)
	if err != nil {
		return "", err
	}
	if d.text("spdxVersion") == "" && bytes.Contains(d["@context"], []byte("spdx.org")) && d.isList("@graph") && len(d["@graph"]) > len("[]") {
		return "https://spdx.dev/Document/v3", nil
	}
	return "https://spdx.dev/Document", need(
		condition{"spdxVersion (SPDX-2.x)", strings.HasPrefix(d.text("spdxVersion"), "SPDX-2.")},
		condition{"SPDXID (SPDXRef-DOCUMENT)", d.text("SPDXID") == "SPDXRef-DOCUMENT"},
	)
}

func checkCycloneDX(data []byte) (string, error) {
	d, err := parseDocument(data)
	if err != nil {
		return "", err
	}
	return "https://cyclonedx.org/bom", need(
		condition{"bomFormat (CycloneDX)", d.text("bomFormat") == "CycloneDX"},
		condition{"specVersion", d.text("specVersion") != ""},
	)
}

func checkSyft(data []byte) (string, error) {
	d, err := parseDocument(data)
	if err != nil {
		return "", err
	}
	return "https://syft.dev/bom", need(
		condition{"artifacts", d.isList("artifacts")},
		condition{"descriptor.name", d.within("descriptor", "name") != ""},
		condition{"schema.version", d.within("schema", "version") != ""},
	)
}
