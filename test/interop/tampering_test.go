package interop

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// attack changes the payload of an envelope.
type attack struct {
	name   string
	change func(payload []byte) []byte
}

var attacks = []attack{
	{"a bit of the predicate", func(p []byte) []byte {
		p = bytes.Clone(p)
		p[len(p)-2] ^= 1
		return p
	}},
	{"a bit of the first byte", func(p []byte) []byte {
		p = bytes.Clone(p)
		p[0] ^= 1
		return p
	}},
	{"another predicate", func(p []byte) []byte {
		return bytes.Replace(p, []byte(`"predicate":{`), []byte(`"predicate":{"added":true,`), 1)
	}},
}

// TestTampering: evidence whose payload was changed in place is rejected, whoever
// wrote it.
func TestTampering(t *testing.T) {
	everyRegistry(t, func(t *testing.T, r *registry) {
		for _, attack := range attacks {
			t.Run(attack.name, func(t *testing.T) {
				d, i := newDesk(t), r.image(t, "oci")
				predicate := d.file("spdx.json", spdxDocument)
				d.hallmark(0, "sign", "--key", d.keys.hallmark.private, i.platform(0))
				d.hallmark(0, "attest", "--key", d.keys.hallmark.private, "--type", "spdx", "--predicate", predicate, i.platform(0))
				d.cosignSigns(i.platform(1))
				d.cosignAttests("spdxjson", predicate, i.platform(1))
				for n, pub := range []string{d.keys.hallmark.public, d.keys.cosign.public} {
					d.hallmark(0, "verify", "--key", pub, "--require", "signature,spdx", i.platform(n))
					i.tamper(i.platforms[n].digest, attack)
					d.hallmark(3, "verify", "--key", pub, i.platform(n))
					d.hallmark(3, "verify", "--key", pub, "--require", "spdx", i.platform(n))
				}
				d.hallmark(0, "sign", "--key", d.keys.hallmark.private, i.platform(0))
				d.hallmark(0, "verify", "--key", d.keys.hallmark.public, i.platform(0)) // beside garbage
			})
		}
	})
}

// tamper replaces every bundle on a digest by one with a changed payload, as somebody
// with write access could.
func (i image) tamper(digest string, a attack) {
	i.t.Helper()
	var entries []descriptor
	for _, entry := range i.attached(digest) {
		m, raw := i.bundle(entry)
		changed := changePayload(i.t, raw, a)
		m.Layers[0].Digest, m.Layers[0].Size = i.putBlob(changed), len(changed)
		content, err := json.Marshal(m)
		if err != nil {
			i.t.Fatal(err)
		}
		i.registry.do(i.t, http.MethodDelete, i.name, "manifests/"+entry.Digest, nil, nil)
		entry.Digest, entry.Size = digestOf(content), len(content)
		i.put("manifests/"+entry.Digest, manifestType, content)
		entries = append(entries, entry)
	}
	if i.registry.referrers {
		return
	}
	list, err := json.Marshal(manifest{SchemaVersion: 2, MediaType: indexType, Manifests: entries})
	if err != nil {
		i.t.Fatal(err)
	}
	i.put("manifests/"+fallbackTag(digest), indexType, list)
}

// changePayload changes the payload of a bundle's envelope, and nothing else.
func changePayload(t *testing.T, raw []byte, a attack) []byte {
	t.Helper()
	payload := decode[struct {
		Envelope struct {
			Payload string `json:"payload"`
		} `json:"dsseEnvelope"`
	}](t, raw).Envelope.Payload
	content, err := base64.StdEncoding.DecodeString(payload)
	if err != nil || len(content) == 0 {
		t.Fatalf("payload: %v in %.300s", err, raw)
	}
	changed := a.change(content)
	if bytes.Equal(changed, content) {
		t.Fatalf("%s: nothing to change in %.300s", a.name, content)
	}
	return bytes.Replace(raw, []byte(payload), []byte(base64.StdEncoding.EncodeToString(changed)), 1)
}

// TestDamagedStorage: bytes that do not match their digest prove nothing, neither that
// evidence is bad nor that there is none.
func TestDamagedStorage(t *testing.T) {
	r := oneRegistry(t, shop.distribution)
	d, i := newDesk(t), r.image(t, "oci")
	digest := i.platforms[0].digest
	const kind = "https://example.com/large" // larger than what is in its manifest as well
	predicate := d.file("large.json", `{"text":"`+strings.Repeat("evidence ", 4<<10)+`"}`)
	d.hallmark(0, "attest", "--key", d.keys.hallmark.private, "--type", kind, "--predicate", predicate, i.at(digest))
	m, raw := i.bundle(i.attached(digest)[0])
	hex := strings.TrimPrefix(m.Layers[0].Digest, "sha256:")
	file := filepath.Join(r.storage, "docker/registry/v2/blobs/sha256", hex[:2], hex, "data")
	if err := os.WriteFile(file, changePayload(t, raw, attacks[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	d.hallmark(5, "verify", "--retries", "0", "--key", d.keys.hallmark.public, "--require", kind, i.at(digest))
}

// oneRegistry is for tests that need only one of them.
func oneRegistry(t *testing.T, start func() (*registry, error)) *registry {
	t.Helper()
	needTools(t)
	r, err := start()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// head is the beginning of a file.
func head(t *testing.T, name string) string {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
