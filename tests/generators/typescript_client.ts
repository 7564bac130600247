// Sends calls with the types that openapi-typescript makes of the API description.
import createClient from "openapi-fetch";
import type { paths } from "./schema.js";

declare const process: { argv: string[] }; // of Node
const [baseUrl, source, token] = process.argv.slice(2);
const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${token}` } });
const events = [{ type: "purchase-order", id: "e-1", properties: { total: 34.43 } }, { type: "page-view" }];
const body = { source: { id: source }, session: { id: "of/typescript" }, events };

const call = await client.POST("/track", { params: { header: { "Idempotency-Key": "k" } }, body });
const again = await client.POST("/track", { params: { header: { "Idempotency-Key": "k" } }, body });
const id: string = (await client.GET("/session/{id}", { params: { path: { id: "of/typescript" } } })).data!.profile.id;
const list = await client.GET("/profile/{id}/events", { params: { path: { id }, query: { limit: 1 } } });
const absent = await client.GET("/profile/{id}", { params: { path: { id: "nobody" } } });
const added = await client.POST("/event-source", { body: { name: "by TypeScript" } });
const refused = await client.POST("/track", { body: { ...body, source: { id: "nobody" } } });

console.log(
  JSON.stringify({
    saved: [call, again].map((answer) => answer.data?.debugging?.events.saved),
    seq: call.data?.debugging?.events.seq,
    last: list.data?.result.map((event) => event.type),
    absent: [absent.response.status, absent.error],
    added: added.data?.name,
    refused: refused.error?.detail,
  }),
);
