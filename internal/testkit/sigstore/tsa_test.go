package sigstore

import (
	"crypto"
	"crypto/x509"
	"testing"
	"time"

	"github.com/digitorus/timestamp"
)

func TestStamp(t *testing.T) {
	a := NewTSA("tsa.test", Around(Epoch, year, year), Around(Epoch, year, year))
	stamp, err := timestamp.ParseResponse(a.Stamp([]byte("message"), Epoch, StampFaults{}))
	if err != nil {
		t.Fatal(err)
	}
	if !stamp.Time.Equal(Epoch) || string(stamp.HashedMessage) != string(digest(crypto.SHA256, []byte("message"))) {
		t.Errorf("stamp of %x at %v", stamp.HashedMessage, stamp.Time)
	}
	if len(stamp.Certificates) != 1 || !stamp.Certificates[0].Equal(a.Leaf) {
		t.Error("the leaf is not embedded")
	}
	if err := verifyChain(a.Leaf, a.Chain()[1:], x509.ExtKeyUsageTimeStamping, Epoch); err != nil {
		t.Error(err)
	}
}

func TestStampFaults(t *testing.T) {
	past := Window{From: Epoch.Add(-2 * year), Until: Epoch.Add(-year)}
	a := NewTSA("tsa.test", past, Around(Epoch, 3*year, year))
	if _, err := timestamp.ParseResponse(a.Stamp(nil, Epoch, StampFaults{})); err == nil {
		t.Error("a stamp after the leaf's end parses")
	}
	if _, err := timestamp.ParseResponse(a.Stamp(nil, past.From.Add(day), StampFaults{})); err != nil {
		t.Errorf("a stamp within the leaf's window: %v", err)
	}
	if _, err := timestamp.ParseResponse(a.Stamp(nil, past.From.Add(day), StampFaults{WrongKey: true})); err == nil {
		t.Error("a stamp of another key parses")
	}
	bare, err := timestamp.ParseResponse(a.Stamp(nil, Epoch, StampFaults{NoCert: true, Time: past.From.Add(time.Hour)}))
	if err != nil || len(bare.Certificates) != 0 || !bare.Time.Equal(past.From.Add(time.Hour)) {
		t.Errorf("bare stamp %+v, %v", bare, err)
	}
}
