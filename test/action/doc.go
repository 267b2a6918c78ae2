// Package action plays GitHub's runner for the action at the root of the repository.
//
// Twice: act runs whole workflows, with the composite steps in order and expressions
// evaluated, against a registry, a Sigstore and a token endpoint on loopback; and a small
// player of our own runs one step, and reads outputs and workflow commands as strictly as
// GitHub does, where act does not:
//
//   - act obeys commands that no action of ours has any business with, such as
//     ::set-output, and does not look for the older ##[command]; the player fails a test
//     at any of them outside of what is stopped.
//   - act takes any line of GITHUB_OUTPUT; the player wants the one form that holds any
//     value, ended.
//   - act takes a step summary of any size, and GitHub none above 1 MiB.
//   - act sets neither GITHUB_WORKFLOW_REF nor RUNNER_ENVIRONMENT; the tests do.
//
// The tests are told where things are as those of test/interop: HALLMARK,
// HALLMARK_SANDBOX_BINARY, HALLMARK_PEERS (with registry and act), HALLMARK_IMAGES. What is
// not there is skipped, unless HALLMARK_NO_SKIP is set. Nothing outside of this machine is
// asked.
package action
