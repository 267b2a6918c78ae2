package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// hidden is what the attacker takes out of the SBOM unless told otherwise, and shown what
// stands there instead: the name of a package that somebody will look for one day.
const hidden, shown = "oras.land/oras-go/v2", "example.com/harmless"

// document is JSON whose members are kept as they are.
type document = map[string]json.RawMessage

// tamper rewrites an SPDX attestation of the layout: the SBOM inside is changed, and
// every digest on the way to it is made to fit again, up to index.json. Only the
// signature cannot be.
func tamper(dir, hidden string) error {
	var index document
	if err := readJSON(filepath.Join(dir, "index.json"), &index); err != nil {
		return err
	}
	var entries []document
	if err := json.Unmarshal(index["manifests"], &entries); err != nil {
		return err
	}
	for i, entry := range entries {
		if !bytes.Contains(entry["annotations"], []byte(`"https://spdx.dev/Document"`)) {
			continue
		}
		changed, err := tamperEvidence(dir, entry, hidden)
		if err != nil {
			return err
		}
		entries[i] = changed
		if index["manifests"], err = json.Marshal(entries); err != nil {
			return err
		}
		raw, err := json.Marshal(index)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, "index.json"), raw, 0o644)
	}
	return errors.New("the layout holds no SPDX attestation")
}

// tamperEvidence changes the bundle that a manifest holds and returns the entry of
// the new manifest.
func tamperEvidence(dir string, entry document, hidden string) (document, error) {
	var manifest document
	if err := readBlob(dir, entry, &manifest); err != nil {
		return nil, err
	}
	var layers []document
	if err := json.Unmarshal(manifest["layers"], &layers); err != nil {
		return nil, err
	}
	var bundle, envelope document
	if err := readBlob(dir, layers[0], &bundle); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(bundle["dsseEnvelope"], &envelope); err != nil {
		return nil, err
	}
	var payload []byte
	if err := json.Unmarshal(envelope["payload"], &payload); err != nil {
		return nil, err
	}
	if !bytes.Contains(payload, []byte(hidden)) {
		return nil, fmt.Errorf("the SBOM does not name %s", hidden)
	}
	payload = bytes.ReplaceAll(payload, []byte(hidden), []byte(shown))
	envelope["payload"] = json.RawMessage(`"` + base64.StdEncoding.EncodeToString(payload) + `"`)
	var err error
	if bundle["dsseEnvelope"], err = json.Marshal(envelope); err != nil {
		return nil, err
	}
	if layers[0], err = writeBlob(dir, layers[0], bundle); err != nil {
		return nil, err
	}
	if manifest["layers"], err = json.Marshal(layers); err != nil {
		return nil, err
	}
	return writeBlob(dir, entry, manifest)
}

func readJSON(file string, into any) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

func blobFile(dir, digest string) string {
	return filepath.Join(dir, "blobs", "sha256", digest[len("sha256:"):])
}

func readBlob(dir string, descriptor document, into any) error {
	var digest string
	if err := json.Unmarshal(descriptor["digest"], &digest); err != nil {
		return err
	}
	return readJSON(blobFile(dir, digest), into)
}

// writeBlob stores content and returns the descriptor changed to name it.
func writeBlob(dir string, descriptor, content document) (document, error) {
	raw, err := json.Marshal(content)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(raw)
	digest := "sha256:" + hex.EncodeToString(sum[:])
	if err := os.WriteFile(blobFile(dir, digest), raw, 0o644); err != nil {
		return nil, err
	}
	out := document{}
	for name, value := range descriptor {
		out[name] = value
	}
	out["digest"] = json.RawMessage(`"` + digest + `"`)
	out["size"] = json.RawMessage(fmt.Sprint(len(raw)))
	return out, nil
}
