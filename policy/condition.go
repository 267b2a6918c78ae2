package policy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/ext"
)

// Limits of a condition.
const (
	maxCondition = 16 << 10
	// maxConditionCost bounds what evaluating one may cost, in units of CEL's own cost
	// model: about one for each member that is looked at.
	maxConditionCost = 1_000_000
	// maxConditionTime bounds how long it may take.
	maxConditionTime = 5 * time.Second
)

// ErrCondition says that a condition does not hold, or cannot be evaluated, which comes
// to the same.
var ErrCondition = errors.New("the condition does not hold")

// Condition is an expression in CEL (https://cel.dev) over a piece of evidence, with the
// variables predicate, statement, predicateType and now.
type Condition struct {
	source  string
	program cel.Program
}

// conditionEnv is what conditions may use. It is made when the first one is read.
var conditionEnv = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewEnv(
		cel.Variable("predicate", cel.DynType),
		cel.Variable("statement", cel.DynType),
		cel.Variable("predicateType", cel.StringType),
		cel.Variable("now", cel.TimestampType),
		ext.Strings(), ext.Lists(), ext.Sets(),
	)
})

// ParseCondition compiles an expression. It has to come to true or false.
func ParseCondition(source string) (Condition, error) {
	if len(source) > maxCondition {
		return Condition{}, fmt.Errorf("a condition of %d characters; the most is %d", len(source), maxCondition)
	}
	env, err := conditionEnv()
	if err != nil {
		return Condition{}, err
	}
	ast, issues := env.Compile(source)
	if err := issues.Err(); err != nil {
		first, _, _ := strings.Cut(err.Error(), "\n")
		return Condition{}, fmt.Errorf("condition %q: %s", source, strings.TrimPrefix(first, "ERROR: <input>:"))
	}
	if out := ast.OutputType(); !out.IsExactType(cel.BoolType) && !out.IsExactType(cel.DynType) {
		return Condition{}, fmt.Errorf("condition %q comes to a value of type %s, and has to be true or false", source, out)
	}
	program, err := env.Program(ast, cel.CostLimit(maxConditionCost), cel.InterruptCheckFrequency(1000))
	if err != nil {
		return Condition{}, fmt.Errorf("condition %q: %w", source, err)
	}
	return Condition{source, program}, nil
}

func (c Condition) String() string { return c.source }

// Facts are what conditions are about: a statement, taken apart once for all of them.
type Facts struct{ variables map[string]any }

// NewFacts reads a statement for conditions.
func NewFacts(statement []byte, predicateType string, now time.Time) (Facts, error) {
	var doc map[string]any
	d := json.NewDecoder(bytes.NewReader(statement))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		return Facts{}, fmt.Errorf("%w: %w", ErrCondition, err)
	}
	whole, _ := plainNumbers(doc).(map[string]any)
	return Facts{map[string]any{"statement": whole, "predicate": whole["predicate"], "predicateType": predicateType, "now": now}}, nil
}

// Holds reports by a nil error that the condition is true. An error of its own, such as
// a member that is not there, is as good as false.
func (c Condition) Holds(ctx context.Context, facts Facts) error {
	ctx, cancel := context.WithTimeout(ctx, maxConditionTime)
	defer cancel()
	value, _, err := c.program.ContextEval(ctx, facts.variables)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrCondition, c.source, err)
	}
	if holds, ok := value.Value().(bool); !ok {
		return fmt.Errorf("%w: %s: it comes to a value of type %s, and not to true or false", ErrCondition, c.source, value.Type().TypeName())
	} else if !holds {
		return fmt.Errorf("%w: %s", ErrCondition, c.source)
	}
	return nil
}

// plainNumbers turns JSON numbers into integers where they are some.
func plainNumbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, member := range v {
			v[key] = plainNumbers(member)
		}
	case []any:
		for i, element := range v {
			v[i] = plainNumbers(element)
		}
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i
		}
		f, err := v.Float64()
		if err != nil {
			return v.String()
		}
		return f
	}
	return v
}
