package settings

import (
	"encoding"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

const masked = "***"

// userinfo matches what stands between the scheme and the host of a URL.
var userinfo = regexp.MustCompile(`://[^/?#\s"']*@`)

// Masked returns the settings as a YAML file that could be read again, each with
// its origin as a comment; secrets are ***.
func (s *Settings) Masked() []byte {
	file := yaml.Node{Kind: yaml.MappingNode}
	for _, f := range s.flags {
		if unset := f.Target.Kind() == reflect.Pointer && f.Target.IsNil(); unset || !inFile(f) {
			continue
		}
		value := scalar(maskedText(f))
		if f.IsCumulative() && !isSecret(f) {
			value = collection(f.Target)
		}
		value.LineComment = s.origins[f].String()
		file.Content = append(file.Content, scalar(f.Name), value)
	}
	if len(file.Content) == 0 {
		return nil
	}
	text, err := yaml.Marshal(&file)
	if err != nil {
		panic("BUG: write the settings: " + err.Error())
	}
	return text
}

func maskedText(f *kong.Flag) string {
	text := spell(f.Target)
	if isSecret(f) && text != "" {
		return masked
	}
	return text
}

func collection(v reflect.Value) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	if v.Kind() == reflect.Map {
		n.Kind = yaml.MappingNode
		for _, key := range v.MapKeys() {
			n.Content = append(n.Content, scalar(spell(key)), scalar(spell(v.MapIndex(key))))
		}
		return n
	}
	for i := range v.Len() {
		n.Content = append(n.Content, scalar(spell(v.Index(i))))
	}
	return n
}

// scalar lets YAML see the type in the text, so that numbers stay bare; what it
// would take for null or a comment is quoted.
func scalar(text string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Value: text}
	if text == "" || strings.HasPrefix(text, "*") {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

// spell writes v as a person would on the command line, without credentials.
func spell(v reflect.Value) string {
	if v.Kind() == reflect.Pointer && v.IsNil() {
		return ""
	}
	var text string
	switch x := v.Interface().(type) {
	case encoding.TextMarshaler:
		b, err := x.MarshalText()
		if err != nil {
			return "(" + err.Error() + ")"
		}
		text = string(b)
	default:
		text = fmt.Sprint(reflect.Indirect(v))
		if s, ok := x.(fmt.Stringer); ok {
			text = s.String()
		}
	}
	return userinfo.ReplaceAllString(text, "://"+masked+"@")
}
