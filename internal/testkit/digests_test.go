package testkit_test

const (
	imageDigest = "sha256:b55a8ebe8682e0183a8383591fb1328c58ec8f93ea199e9ba8265ebc6d3430f9"
	indexDigest = "sha256:6907840a8b4cf360b6d0eeaf4e591db7907d3c3f33bfda513a835c311b8d8580"
	listDigest  = "sha256:f807ce9f463ecee67ea60cfda2136199b215493bc0ba0274bbfe732a562bb33e"
)
