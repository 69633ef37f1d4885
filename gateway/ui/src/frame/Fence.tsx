import { Component, type ReactNode } from 'react';

import { Trouble } from './Trouble';

/** Keeps a fault in one page from taking the bar and the lock with it. */
export class Fence extends Component<{ children: ReactNode }, { error: unknown }> {
  override state: { error: unknown } = { error: null };

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override render() {
    if (this.state.error === null) return this.props.children;
    return (
      <div className="page">
        <Trouble error={this.state.error} again={() => this.setState({ error: null })} />
      </div>
    );
  }
}
