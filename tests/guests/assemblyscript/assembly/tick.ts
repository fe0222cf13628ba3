// as-tick: counts the ticks of its root, one in as many milliseconds as the configuration says; requests get x-ticks.
export * from "@solo-io/proxy-runtime/proxy";
import { RootContext, Context, registerRootContext, FilterHeadersStatusValues, stream_context } from "@solo-io/proxy-runtime";
import { set_tick_period_milliseconds } from "@solo-io/proxy-runtime/runtime";
import { Buffer, field, read_buffer } from "./plugin";

class Root extends RootContext {
  ticks: u32 = 0;

  createContext(context_id: u32): Context {
    return new Stream(context_id, this);
  }

  onConfigure(configuration_size: u32): bool {
    let period_ms = field(read_buffer(Buffer.PluginConfiguration, configuration_size), "period_ms");
    set_tick_period_milliseconds(parseInt(period_ms, 10) as u32);
    return true;
  }

  onTick(): void {
    this.ticks++;
  }
}

class Stream extends Context {
  root: Root;

  constructor(context_id: u32, root: Root) {
    super(context_id, root);
    this.root = root;
  }

  onRequestHeaders(count: u32, end_of_stream: bool): FilterHeadersStatusValues {
    stream_context.headers.request.add("x-ticks", this.root.ticks.toString());
    return FilterHeadersStatusValues.Continue;
  }
}

registerRootContext((context_id: u32) => { return new Root(context_id); }, "");
