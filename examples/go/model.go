package main

// ToolCall is what a model writes when it wants a tool to be used.
type ToolCall struct{ Tool, Arguments string }

// Model stands in for a language model: a fixed answer, and two tools asked for, one of them for another organisation's
// brand, as a model does that was talked into it.
func Model(_ string) (answer string, calls []ToolCall) {
	return "Noted, I will write to <EMAIL_ADDRESS>.", []ToolCall{
		{"brand.report", `{"brand": "acme-chat", "days": 7}`},
		{"brand.report", `{"brand": "globex-chat", "days": 7}`},
	}
}
