package jsonread

// Kind is a kind of JSON value.
type Kind uint8

// Numeral is the kind of a number; Number is what one is read into.
const (
	Invalid Kind = iota
	Null
	Bool
	Numeral
	String
	Object
	Array
)

// String names the kind as error messages do: "a string".
func (k Kind) String() string {
	switch k {
	case Null:
		return "null"
	case Bool:
		return "a boolean"
	case Numeral:
		return "a number"
	case String:
		return "a string"
	case Object:
		return "an object"
	case Array:
		return "an array"
	}
	return "nothing"
}

func kindOf(first byte) Kind {
	switch first {
	case '{':
		return Object
	case '[':
		return Array
	case '"':
		return String
	case 't', 'f':
		return Bool
	case 'n':
		return Null
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return Numeral
	}
	return Invalid
}
