/** What was seen of a run, before anything is judged. */
import type { Client } from "./client.js";
import type { Conversation, Request } from "./conversation.js";
import type { Effects } from "./effects.js";
import type { Profile } from "./profiles.js";
import type { DrillSettings } from "./result.js";
import type { Exit } from "./servers/running.js";

/** What a client has noted of its connection. */
export type SeenClient = Pick<
  Client,
  | "connectedAt"
  | "openedAt"
  | "refused"
  | "refusedByAnswer"
  | "refusedAt"
  | "close"
  | "closeSentAt"
  | "finSentAt"
  | "finAt"
  | "resetAt"
  | "endedAt"
  | "endedFirst"
  | "violation"
> &
  Partial<Pick<Client, "failure">>;

/** What is judged of a conversation: what it has noted, and none of its doing. */
export interface SeenConversation extends Pick<
  Conversation,
  "number" | "role" | "otherMessages" | "upgradeSentAt" | "waited"
> {
  client: SeenClient;
  requests: readonly Request[];
}

/** What was seen of a run. Times are on the clock of `performance.now()`. */
export interface RunFacts {
  profileName: string;
  profile: Profile;
  repeat: number;
  settings: DrillSettings;
  conversations: readonly SeenConversation[];
  loadBegan: number;
  signalAt: number | undefined;
  endedAt: number;
  exit: Exit | undefined;
  hasProcess: boolean;
  /** Whether it is a child of the drill. */
  isChild: boolean;
  pid: number | undefined;
  output: string[];
  /** Whether it was over only when the time was up. */
  hung: boolean;
  hadOrphans: boolean;
  /** Whether its process had started others that ran when it got the signal. */
  hadChildren: boolean;
  interrupted: boolean;
  /** What the effects file says; undefined without one. */
  effects: Effects | undefined;
  /** Whether the user has named an effects file that the server has not made. */
  effectsMissing?: boolean;
  servesHalfClosed: boolean;
  /** Whether it stood still when clients arrived around the signal: nobody had any answer. */
  stoodStill: boolean;
  load: { cpu: number; longestStall: number };
}
