import { Component, type ReactNode } from 'react';

import { Problem } from '../api/client';
import { Leave } from './Leave';
import { TopBar } from './TopBar';
import { Trouble } from './Trouble';

interface Props {
  children: ReactNode;
  /** Leaves a sheet whose code cannot come, and gives the page below it back; without it the page itself is meant. */
  leave?: () => void;
}

/** Keeps a fault in one page from taking the bar and the lock with it. */
export class Fence extends Component<Props, { error: unknown }> {
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
    const { leave } = this.props;
    if (!leave) {
      return (
        <div className="page fenced">
          <TopBar />
          <Trouble error={this.state.error} again={() => this.again()} />
        </div>
      );
    }
    return (
      <div className="sheet-trouble" role="dialog" data-testid="sheet-trouble">
        <Trouble error={this.state.error} again={() => this.again()} />
        <Leave leave={leave} />
      </div>
    );
  }
}
