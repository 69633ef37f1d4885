import { Component, type ReactNode } from 'react';

import { Problem } from '../api/client';
import { Trouble } from './Trouble';

/** Keeps a fault in one page from taking the bar and the lock with it. */
export class Fence extends Component<{ children: ReactNode }, { error: unknown }> {
  override state: { error: unknown } = { error: null };

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  /** Code that did not come is asked for again only by a fresh page. */
  private again(): void {
    if (this.state.error instanceof Problem) location.reload();
    else this.setState({ error: null });
  }

  override render() {
    if (this.state.error === null) return this.props.children;
    return (
      <div className="page">
        <Trouble error={this.state.error} again={() => this.again()} />
      </div>
    );
  }
}
