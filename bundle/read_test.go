package bundle

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

// small is a bundle around the JSON of a payload.
func small(payload string) string {
	return `{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"x"}},"dsseEnvelope":{"payload":` +
		payload + `,"payloadType":"t","signatures":[{"sig":"AAAA"}]}}`
}

// agree wants Parse and Read to say the same of a document, however it arrives, and returns
// what Parse says.
func agree(t testing.TB, document []byte) (*Bundle, error) {
	t.Helper()
	want, wantErr := Parse(bytes.Clone(document))
	for _, size := range []int64{int64(len(document)), 0, int64(len(document)) + 1000} {
		for _, in := range []io.Reader{bytes.NewReader(document), iotest.OneByteReader(bytes.NewReader(document))} {
			got, err := Read(in, size)
			if (err == nil) != (wantErr == nil) {
				t.Fatalf("%.200q: Parse: %v, Read: %v", document, wantErr, err)
			}
			if err != nil && !errors.Is(err, ErrFormat) && !errors.Is(err, ErrJSON) {
				t.Fatalf("%.200q: an error that is no verdict: %v", document, err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("%.200q: Parse: %+v, Read: %+v", document, want, got)
			}
		}
	}
	return want, wantErr
}

// disputed are documents that two parsers could read in two ways, with whether they are
// bundles.
var disputed = map[string]bool{
	small(`"AAAA"`):                       true,
	small(`""`):                           true,
	small(` "AAAA" `):                     true,
	small(`"AA=="`):                       true,
	small(`"AB=="`):                       false, // bits that mean nothing
	small(`"AA="`):                        false,
	small(`"AAAA=="`):                     false,
	small(`"AA==AAAA"`):                   false,
	small(`"A B C D"`):                    false,
	small(`"AAA\nA"`):                     false,
	small(`"AAAA\n"`):                     false,
	small("\"AA\nAA\""):                   false,
	small(`"AA\/+"`):                      true,
	small(`"AA\/-"`):                      false, // two alphabets
	small(`"AA-_"`):                       true,
	small(`"AA+/AA-_"`):                   false,
	small(`"AAAA\n\n\n\n"`):               false,
	small(`"\r\n\r\nAAAA"`):               false,
	small(`"AA-_AA+/"`):                   false,
	small(`"\u0041AAA"`):                  true,
	small(`"\u0041AA"`):                   false,
	small(`"\u00e9AAA"`):                  false,
	small(`"\ud83d\ude00AA"`):             false,
	small(`"\x41AAA"`):                    false,
	small(`"AAAA\"`):                      false,
	small(`"AAAA\"AAAA"`):                 false,
	small("\"AAA\xff\""):                  false,
	small(`"é"`):                          false,
	small(`null`):                         false,
	small(`1`):                            false,
	small(`["AAAA"]`):                     false,
	small(`{"payload":"AAAA"}`):           false,
	small(`"AAAA","payload":"AAAA"`):      false,
	small(`"AAAA","payload_":"AAAA"`):     false,
	small(`"AAAA","p\u0061yload":"AAAA"`): false,
	small(`"AAAA"`) + "x":                 false,
	small(`"AAAA"`) + small(`"AAAA"`):     false,
	small(`"AAAA"`) + " \n":               true,
	`[` + small(`"AAAA"`) + `]`:           false,
	`"payload":"AAAA"`:                    false,
	``:                                    false,
	strings.Replace(small(`"AAAA"`), "payload", `p\u0061yload`, 1):                                                                                                true,
	strings.Replace(small(`"AAAA"`), "dsseEnvelope", "dsse_envelope", 1):                                                                                          true,
	strings.Replace(small(`"AAAA"`), "dsseEnvelope", "dsse__envelope_", 1):                                                                                        true,
	strings.Replace(small(`"AAAA"`), "dsseEnvelope", `dsse\u0045nvelope`, 1):                                                                                      true,
	strings.Replace(small(`"AAAA"`), "dsseEnvelope", "DsseEnvelope", 1):                                                                                           false,
	strings.Replace(small(`"AAAA"`), `"dsseEnvelope"`, `"dsseEnvelope":null,"dsse_envelope"`, 1):                                                                  false,
	strings.Replace(small(`"AAAA"`), `"dsseEnvelope"`, `"dsseEnvelope":{"payload":"BBBB"},"dsseEnvelope"`, 1):                                                     false,
	strings.Replace(small(`"AAAA"`), `"hint":"x"`, `"hint":"dsseEnvelope\":{\"payload\":\"BBBB\""`, 1):                                                            true,
	strings.Replace(small(`"AAAA"`), `"hint":"x"`, `"hint":"\\"`, 1):                                                                                              true,
	strings.Replace(small(`"AAAA"`), `"verificationMaterial":{`, `"verificationMaterial":{"payload":"BBBB",`, 1):                                                  false,
	strings.Replace(small(`"AAAA"`), `"signatures":[{`, `"signatures":[{"payload":"BBBB",`, 1):                                                                    false,
	strings.Replace(small(`"AAAA"`), `"dsseEnvelope":`, `"dsseEnvelope" `, 1):                                                                                     false,
	strings.Replace(small(`"AAAA"`), `"payload":`, `"payload" `, 1):                                                                                               false,
	strings.Replace(small(`"AAAA"`), `"payload":`, `"payload"::`, 1):                                                                                              false,
	strings.Replace(small(`"AAAA"`), `{"payload"`, `["payload"`, 1):                                                                                               false,
	`{"dsseEnvelope":{"signatures":[{"sig":"AAAA"}],"payloadType":"t","payload":"AAAA"},"verificationMaterial":{"publicKey":{}},"mediaType":"` + MediaType + `"}`: true,
}

// TestReadAgrees: a bundle that arrives is judged by the same rules as one at hand.
func TestReadAgrees(t *testing.T) {
	for document, good := range disputed {
		if _, err := agree(t, []byte(document)); (err == nil) != good {
			t.Errorf("%q: %v", document, err)
		}
		for cut := range len(document) { // what was cut off is no bundle
			if cut < len(strings.TrimSpace(document)) {
				_, _ = agree(t, []byte(document[:cut]))
			}
		}
	}
}

// TestReadSizes: payloads of every length around the borders of what is decoded at once.
func TestReadSizes(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2)) // the same bytes in every run
	for _, size := range []int{0, 1, 2, 3, 4, 5, 12287, 12288, 12289, 49151, 49152, 49153, 100_001} {
		payload := make([]byte, size)
		for i := range payload {
			payload[i] = byte(random.Uint32())
		}
		for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
			document := small(`"` + encoding.EncodeToString(payload) + `"`)
			b, err := agree(t, []byte(document))
			if err != nil || !bytes.Equal(b.Envelope.Payload, payload) {
				t.Fatalf("%d bytes: %v", size, err)
			}
		}
	}
	long := base64.StdEncoding.EncodeToString(make([]byte, 3*decodeAtOnce))
	for _, bad := range []string{long[:decodeAtOnce-4] + "AAA=" + long[decodeAtOnce:], long[:decodeAtOnce-4] + "AA==" + long[decodeAtOnce:], long + "A", long + "-_+/"} {
		if _, err := agree(t, []byte(small(`"`+bad+`"`))); err == nil {
			t.Errorf("%d characters were taken for base64", len(bad))
		}
	}
}

// TestReadBroken: an error of whatever the bundle comes from is returned as it is, also where
// the document was found to be none before.
func TestReadBroken(t *testing.T) {
	broken := errors.New("the digest does not match")
	for document := range disputed {
		in := io.MultiReader(strings.NewReader(document), iotest.ErrReader(broken))
		if _, err := Read(in, int64(len(document))); !errors.Is(err, broken) {
			t.Errorf("%q: %v", document, err)
		}
	}
}

// TestReadLarge: what is around a payload may be large too, and no promise of a size is
// believed.
func TestReadLarge(t *testing.T) {
	hint := strings.Repeat("x", 3*firstRest)
	document := strings.Replace(small(`"AAAA"`), `"hint":"x"`, `"hint":"`+hint+`"`, 1)
	for _, size := range []int64{-1, 0, int64(len(document)), 1 << 20} {
		if _, err := Read(strings.NewReader(document), size); !errors.Is(err, ErrFormat) {
			t.Errorf("size %d: %v", size, err)
		}
	}
	_, _ = agree(t, []byte(document))
}

// TestReader: what is streamed is what is written at once, and reading it gives the bundle.
func TestReader(t *testing.T) {
	for _, size := range []int{0, 1, 3071, 3072, 3073, 10_000} {
		e := &Envelope{PayloadType: PayloadType, Payload: bytes.Repeat([]byte("x"), size), Signatures: []Signature{{KeyID: "k", Sig: []byte("sig")}}}
		for _, b := range []*Bundle{New(e, "hint"), NewCertified(e, []byte("der")), NewMessage(&MessageSignature{"SHA2_256", []byte("d"), []byte("s")}, new(string), nil)} {
			want, err := json.Marshal(b)
			if err != nil {
				t.Fatal(err)
			}
			r, err := b.Reader()
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(iotest.OneByteReader(r)); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes: %v, %.200s, want %.200s", size, err, got, want)
			}
			again, err := b.Reread()
			parsed, parseErr := Parse(want)
			if err != nil || parseErr != nil || !reflect.DeepEqual(again, parsed) {
				t.Errorf("%d bytes: %v, %v: %+v, want %+v", size, err, parseErr, again, parsed)
			}
		}
	}
	if _, err := (&Bundle{}).Reader(); err == nil {
		t.Error("a bundle of nothing was written")
	}
}

// FuzzParseReader: Parse and Read agree on every document.
func FuzzParseReader(f *testing.F) {
	for document := range disputed {
		f.Add([]byte(document))
	}
	files, err := filepath.Glob(filepath.Join("testdata", "*.json"))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	if len(disputed) < 50 {
		f.Fatal(fmt.Errorf("%d seeds", len(disputed)))
	}
	f.Fuzz(func(t *testing.T, document []byte) { _, _ = agree(t, document) })
}

// allocated is how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestReadMemory: a large bundle needs the memory of its payload once, when it is read and
// when it is written.
func TestReadMemory(t *testing.T) {
	const size = 24 << 20
	b := New(&Envelope{PayloadType: PayloadType, Payload: bytes.Repeat([]byte("x"), size), Signatures: []Signature{{Sig: []byte("sig")}}}, "hint")
	const little = 1 << 20
	if n := allocated(func() {
		in, err := b.Reader()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, in); err != nil {
			t.Fatal(err)
		}
	}); n > little {
		t.Errorf("writing allocates %d bytes", n)
	}
	in, err := b.Reader()
	if err != nil {
		t.Fatal(err)
	}
	if n := allocated(func() {
		if got, err := Read(in, size/3*4+1000); err != nil || len(got.Envelope.Payload) != size {
			t.Fatal(err)
		}
	}); n > size+little {
		t.Errorf("reading a payload of %d bytes allocates %d", size, n)
	}
	if n := allocated(func() {
		if _, err := b.Reread(); err != nil {
			t.Fatal(err)
		}
	}); n > little {
		t.Errorf("reading anew allocates %d bytes", n)
	}
}

// TestCheckMemory: checking a document of many objects leaves no garbage behind.
func TestCheckMemory(t *testing.T) {
	var names []string
	for i := range 20 {
		names = append(names, fmt.Sprintf(`"name%d":[{"a":1,"b":{"c":null}}]`, i))
	}
	document := []byte("[" + strings.Repeat("{"+strings.Join(names, ",")+"},", 2000) + "{}]")
	if n := allocated(func() {
		if err := CheckJSON(document); err != nil {
			t.Fatal(err)
		}
	}); n > 64<<10 {
		t.Errorf("checking %d bytes allocates %d", len(document), n)
	}
}

// TestReadPromise: a promise of any size has no such memory taken for it.
func TestReadPromise(t *testing.T) {
	document := small(`"AAAA"`)
	if n := allocated(func() {
		if _, err := Read(strings.NewReader(document), 1<<60); err != nil {
			t.Fatal(err)
		}
	}); n > mostReserved {
		t.Errorf("%d bytes were taken", n)
	}
}
