/** What a peer did that we do not go on with: the code to close with, and why in prose (it fits a close reason). */
export interface Violation {
  /** 1002 protocol error, 1007 invalid payload data, 1008 policy violation or 1009 message too big. */
  violated: 1002 | 1007 | 1008 | 1009;
  explanation: string;
}
