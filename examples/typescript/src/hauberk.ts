/** Reaching Hauberk: mutual TLS from the folder that `hauberk up` keeps, a deadline on every call, one trace for all. */

import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { type CallOptions, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";

import { Outcome } from "../gen/hauberk/common/v1/decision.js";
import { GatewayServiceClient } from "../gen/hauberk/gateway/v1/gateway_service.js";

// A refusal that comes late is as good as none: the user waits.
const DEADLINE_MS = 3000;
// Every certificate carries the names of the services it serves; that name is checked, not the host's.
const SERVER_NAME = "gateway.hauberk.internal";

/** A method of a generated client, with metadata and options. */
type Method<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: Response) => void,
) => unknown;

/** The folder of a running stack. */
export class Place {
  constructor(private readonly folder: string) {}

  /** One of its files. */
  read(...parts: string[]): string {
    return readFileSync(join(this.folder, ...parts), "utf8").trim();
  }

  /** A client of the gateway, as the workload backend/demo. */
  connect(): GatewayServiceClient {
    const pem = (name: string) => Buffer.from(this.read("tls", name));
    const { address } = JSON.parse(this.read("stack.json")) as { address: string };
    return new GatewayServiceClient(
      address,
      credentials.createSsl(pem("ca.crt"), pem("backend-demo.pem"), pem("backend-demo.crt")),
      { "grpc.ssl_target_name_override": SERVER_NAME, "grpc.default_authority": SERVER_NAME },
    );
  }
}

/** One W3C trace: every call made with it is a child of the same trace. */
export class Trace {
  readonly id = randomBytes(16).toString("hex");

  /** Calls a method once; rejects when nothing could be decided, which is a refusal. */
  call<Request, Response>(method: Method<Request, Response>, request: Request): Promise<Response> {
    const metadata = new Metadata();
    metadata.set("traceparent", `00-${this.id}-${randomBytes(8).toString("hex")}-01`);
    const options = { deadline: Date.now() + DEADLINE_MS };
    return new Promise((resolve, reject) => {
      method(request, metadata, options, (error, response) => (error ? reject(error) : resolve(response)));
    });
  }
}

/** The only way on: every other outcome is a refusal, also zero, and one that this code does not know. */
export function allowed(answer: { outcome: Outcome }): boolean {
  return answer.outcome === Outcome.OUTCOME_ALLOW;
}

/** An outcome as a word. */
export function word(answer: { outcome: Outcome }): string {
  return (Outcome[answer.outcome] ?? "UNKNOWN").replace(/^OUTCOME_/, "");
}
