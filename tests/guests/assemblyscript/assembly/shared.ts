// as-shared: counts requests in shared data, by compare and swap, so that all workers and VMs count together; the
// count is the response's x-hits.
export * from "@solo-io/proxy-runtime/proxy";
import { RootContext, Context, registerRootContext, FilterHeadersStatusValues, stream_context } from "@solo-io/proxy-runtime";
import { Buffer, field, read_buffer, read_shared, write_shared } from "./plugin";

class Root extends RootContext {
  key: string = "";

  createContext(context_id: u32): Context {
    return new Stream(context_id, this);
  }

  onConfigure(configuration_size: u32): bool {
    this.key = field(read_buffer(Buffer.PluginConfiguration, configuration_size), "key");
    return true;
  }
}

class Stream extends Context {
  key: string;

  constructor(context_id: u32, root: Root) {
    super(context_id, root);
    this.key = root.key;
  }

  onResponseHeaders(count: u32, end_of_stream: bool): FilterHeadersStatusValues {
    let hits = "";
    while (true) {
      let value = read_shared(this.key);
      hits = value.cas == 0 ? "1" : (parseInt(value.text, 10) as i32 + 1).toString();
      if (write_shared(this.key, hits, value.cas)) break;
    }
    stream_context.headers.response.add("x-hits", hits);
    return FilterHeadersStatusValues.Continue;
  }
}

registerRootContext((context_id: u32) => { return new Root(context_id); }, "");
