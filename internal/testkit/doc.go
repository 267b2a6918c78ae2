// Package testkit is a world for tests: registries with the faults of real ones,
// images, layouts, and a record of what was asked. Everything is in the process or on
// loopback, listens on free ports and ends with the test.
//
//	s := testkit.Registry(t, testkit.WithoutReferrers(), testkit.Delay(50*time.Millisecond))
//	ref := testkit.PushImage(t, s, "team/app:v1", testkit.NewIndex())
//	s.Reset() // pushing is not what is measured
//	...
//	if s.Depth() > 4 { t.Error("too many round trips") }
package testkit
