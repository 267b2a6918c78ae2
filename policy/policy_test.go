package policy

import "testing"

func TestTypes(t *testing.T) {
	for _, c := range []struct {
		name, uri string
		want      bool
	}{
		{"signature", "https://sigstore.dev/cosign/sign/v1", true},
		{"signature", "https://spdx.dev/Document", false},
		{"spdx", "https://spdx.dev/Document", true},
		{"spdx", "https://spdx.dev/Document/v2.3", true},
		{"spdx", "https://spdx.dev/Document/", false},
		{"spdx", "https://spdx.dev/Documentary", false},
		{"spdxjson", "https://spdx.dev/Document", true},
		{"cyclonedx", "https://cyclonedx.org/bom/v1.4", true},
		{"slsaprovenance", "https://slsa.dev/provenance/v0.2", true},
		{"slsaprovenance", "https://slsa.dev/provenance/v1", true},
		{"slsaprovenance", "https://slsa.dev/provenance/v11", false},
		{"https://slsa.dev/provenance/v1", "https://slsa.dev/provenance/v0.2", false},
		{"https://slsa.dev/provenance/v1", "https://slsa.dev/provenance/v1", true},
		{"vuln", "https://in-toto.io/attestation/vulns/v0.2", true},
		{"openvex", "https://openvex.dev/ns/v0.2.0", true},
		{"https://example.com/t", "https://example.com/t", true},
		{"https://example.com/t", "https://example.com/t2", false},
		{"https://example.com/t", "", false},
	} {
		kind, err := ParseType(c.name)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if got := kind.Matches(c.uri); got != c.want {
			t.Errorf("%s matches %q: %v, want %v", c.name, c.uri, got, c.want)
		}
	}
	for _, bad := range []string{"", "sbom", "SPDX", "spdx ", "a b:c"} {
		if kind, err := ParseType(bad); err == nil {
			t.Errorf("%q is type %s", bad, kind)
		}
	}
	if (Type{}).Matches("") || (Type{}).Matches("https://spdx.dev/Document") {
		t.Error("the zero type matches something")
	}
}

// TestDescribesPlatform: what describes one platform does so in every version.
func TestDescribesPlatform(t *testing.T) {
	for uri, want := range map[string]bool{
		"https://spdx.dev/Document": true, "https://spdx.dev/Document/v2.3": true, "https://cyclonedx.org/bom": true, "https://syft.dev/bom": true,
		"https://cosign.sigstore.dev/attestation/vuln/v1": true, "https://in-toto.io/attestation/vulns/v0.2": true,
		"https://sigstore.dev/cosign/sign/v1": false, "https://slsa.dev/provenance/v1": false, "https://example.com/t": false,
	} {
		kind, err := ParseType(uri)
		if err != nil {
			t.Fatal(err)
		}
		if kind.DescribesPlatform() != want || TypeOf(uri).DescribesPlatform() != want {
			t.Errorf("%s: want %v", uri, want)
		}
	}
}
