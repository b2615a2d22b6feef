/** What a model writes when it wants a tool to be used. */
export interface ToolCall {
  tool: string;
  arguments: string;
}

/**
 * Stands in for a language model: a fixed answer, and two tools asked for, one of them for another organisation's brand,
 * as a model does that was talked into it.
 */
export function model(_shown: string): { answer: string; calls: ToolCall[] } {
  return {
    answer: "Noted, I will write to <EMAIL_ADDRESS>.",
    calls: [
      { tool: "brand.report", arguments: '{"brand": "acme-chat", "days": 7}' },
      { tool: "brand.report", arguments: '{"brand": "globex-chat", "days": 7}' },
    ],
  };
}
