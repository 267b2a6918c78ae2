package interop

import (
	"os"
	"path/filepath"
)

// pair is a key pair in files.
type pair struct{ private, public string }

// keyring holds key pairs by each tool, and what cosign wants to be told to do without
// a transparency log.
type keyring struct {
	hallmark, cosign, mallory  pair
	signingConfig, trustedRoot string
}

func makeKeys() (*keyring, error) {
	dir := filepath.Join(shop.dir, "keys")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	hallmark, err := hallmarkProgram()
	if err != nil {
		return nil, err
	}
	cosign, err := cosignProgram()
	if err != nil {
		return nil, err
	}
	pairOf := func(name string) pair {
		return pair{filepath.Join(dir, name+".key"), filepath.Join(dir, name+".pub")}
	}
	k := &keyring{hallmark: pairOf("hallmark"), cosign: pairOf("cosign"), mallory: pairOf("mallory"),
		signingConfig: filepath.Join(dir, "signing-config.json"), trustedRoot: filepath.Join(dir, "trusted-root.json")}
	for name, text := range map[string]string{
		k.signingConfig: `{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json","rekorTlogConfig":{},"tsaConfig":{}}`,
		k.trustedRoot:   `{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`,
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	for _, args := range [][]string{
		{hallmark, "keys", "generate", "--output-key-prefix", "hallmark"},
		{hallmark, "keys", "generate", "--output-key-prefix", "mallory"},
		{cosign, "generate-key-pair", "--output-key-prefix", "cosign"},
	} {
		if _, err := mustExecute(dir, args[0], args[1:]...); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// Predicates of each type, as small as they may be.
const (
	spdxDocument = `{"spdxVersion":"SPDX-2.3","dataLicense":"CC0-1.0","SPDXID":"SPDXRef-DOCUMENT","name":"app",` +
		`"documentNamespace":"https://example.com/app","creationInfo":{"created":"2026-01-01T00:00:00Z","creators":["Tool: test"]},"packages":[]}`
	cycloneDXDocument = `{"bomFormat":"CycloneDX","specVersion":"1.6","version":1,"components":[]}`
	provenance1       = `{"buildDefinition":{"buildType":"https://example.com/build","externalParameters":{"ref":"v1"}},` +
		`"runDetails":{"builder":{"id":"https://example.com/builder"}}}`
	provenance02 = `{"builder":{"id":"https://example.com/builder"},"buildType":"https://example.com/build","invocation":{"configSource":{}}}`
)

// predicateKind is a type of predicate as each tool names it.
type predicateKind struct {
	name             string
	cosign, hallmark string
	uri              string
	document         string
	onPlatform       bool // it describes one platform
}

var predicateKinds = []predicateKind{
	{"spdx", "spdxjson", "spdx", "https://spdx.dev/Document", spdxDocument, true},
	{"cyclonedx", "cyclonedx", "cyclonedx", "https://cyclonedx.org/bom", cycloneDXDocument, true},
	{"provenance v0.2", "slsaprovenance", "slsaprovenance", "https://slsa.dev/provenance/v0.2", provenance02, false},
	{"provenance v1", "slsaprovenance1", "slsaprovenance", "https://slsa.dev/provenance/v1", provenance1, false},
}
