package trust

import (
	_ "embed"
	"time"
)

// publicGood is the trusted root of Sigstore's public-good instance, as the module
// github.com/sigstore/sigstore-go v1.3.0 carries it under examples/. Go's checksum
// database vouches for that file.
//
//go:embed public-good.json
var publicGood []byte

// Snapshot is the trusted root of Sigstore's public-good instance that is inside this
// program, with its date: the day on which the newest authority in it began. Evidence
// by authorities that are newer is rejected under it.
func Snapshot() (Material, time.Time) {
	m := Material{Mirror: PublicGoodMirror, TrustedRoot: publicGood, Origin: "the snapshot in this program"}
	date := time.Time{}
	instances, err := m.Instances()
	if err != nil {
		panic(err) // a test reads it
	}
	for _, i := range instances {
		for _, w := range i.windows() {
			if w.From.After(date) {
				date = w.From
			}
		}
	}
	m.Fetched = date
	return m, date
}

func (i Instance) windows() (list []Window) {
	for _, ca := range i.CAs {
		list = append(list, ca.Validity)
	}
	for _, tsa := range i.TSAs {
		list = append(list, tsa.Validity)
	}
	for _, log := range append(append([]Log(nil), i.CTLogs...), i.Logs...) {
		list = append(list, log.Key.Validity)
	}
	return list
}
